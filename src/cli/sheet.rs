//! A contact sheet: the photo, then every style on it, each with its title and id.

use super::Failure;
use crate::gpu::sheet::{self, Sheet};
use crate::gpu::{self, Blend};
use crate::imaging::Picture;
use crate::nn::Watch;
use crate::tasks::{Params, Stylizer};

/// Longer side of each picture unless asked otherwise, in pixels.
const CELL: u32 = 480;
/// A cell's least width, in pixels.
const NARROWEST: u32 = 220;

/// Renders the sheet, every style as `params` say but for the mix; the model's id and the seconds spent in
/// the network come with it.
pub(super) fn render(
    stylizer: &Stylizer,
    original: &Picture,
    params: &Params,
    blend: Blend,
    watch: &Watch,
) -> Result<(Picture, String, f64), Failure> {
    let photo = original.resized(params.longer_side.unwrap_or(CELL));
    // Wide enough for the styles' names.
    let cell = [photo.width().max(NARROWEST), photo.height()];
    let styles = stylizer.styles();
    let cells = styles.len() + 1;
    let columns = sheet::columns(cell, 1.0, cells);
    let mut sheet = Sheet::new(cell, 1.0, cells, columns).map_err(|e| Failure::Work(e.to_string()))?;
    sheet.paste(0, &photo, "The photo", "");
    let (mut model, mut seconds) = (String::new(), 0.0);
    for (index, style) in styles.iter().enumerate() {
        let part = |i: usize| i as f32 / styles.len() as f32;
        let params = Params { mix: vec![(style.id.clone(), 1.0)], longer_side: None, ..*params };
        let outcome = stylizer.run(&photo, &params, &watch.part(part(index), part(index + 1)))?;
        let painted =
            gpu::composite::export(&photo, &outcome.styled, blend).map_err(|e| Failure::Work(e.to_string()))?;
        sheet.paste(index + 1, &painted, &style.title, &style.id);
        model = outcome.model;
        seconds += outcome.seconds;
    }
    Ok((sheet.finish().map_err(|e| Failure::Work(e.to_string()))?, model, seconds))
}
