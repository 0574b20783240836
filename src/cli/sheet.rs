//! A contact sheet: the photo, then every style on it, each with its title and id.

use super::Failure;
use super::sheet_label::Lettering;
use crate::gpu::{self, Blend};
use crate::imaging::Picture;
use crate::nn::Watch;
use crate::tasks::{Params, Stylizer};

/// Longer side of each picture unless asked otherwise, in pixels.
const CELL: u32 = 480;
/// Space around the pictures, in pixels.
const GAP: u32 = 16;
/// Height of the two lines below each picture, in pixels.
const LABEL: u32 = 44;
/// A true grey, so that it tints nothing.
const PAPER: [u8; 3] = [32, 32, 32];
/// Titles, and the ids below them.
const INK: [u8; 3] = [236, 236, 236];
const FAINT_INK: [u8; 3] = [160, 160, 160];
/// Width over height that the sheet comes closest to.
const ASPECT: f32 = 1.5;

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
    let styles = stylizer.styles();
    let mut sheet = Sheet::new(&photo, styles.len() + 1);
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
    Ok((sheet.finish()?, model, seconds))
}

struct Sheet {
    columns: u32,
    cell: [u32; 2],
    size: [u32; 2],
    rgba: Vec<u8>,
    lettering: Lettering,
}

impl Sheet {
    fn new(photo: &Picture, cells: usize) -> Sheet {
        let [width, height] = photo.size();
        let cell = [width, height + LABEL];
        let cells = u32::try_from(cells).unwrap_or(u32::MAX);
        let columns =
            (cells as f32 * ASPECT * cell[1] as f32 / cell[0] as f32).sqrt().round().clamp(1.0, cells as f32) as u32;
        let rows = cells.div_ceil(columns);
        let side = |n: u32, cell: u32| n * (cell + GAP) + GAP;
        let size = [side(columns, cell[0]), side(rows, cell[1])];
        let paper = [PAPER[0], PAPER[1], PAPER[2], 255];
        let rgba = paper.repeat(size[0] as usize * size[1] as usize);
        Sheet { columns, cell, size, rgba, lettering: Lettering::new() }
    }

    /// Puts a picture and its two lines into cell `index`.
    fn paste(&mut self, index: usize, picture: &Picture, title: &str, id: &str) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let left = GAP + (index % self.columns) * (self.cell[0] + GAP);
        let top = GAP + (index / self.columns) * (self.cell[1] + GAP);
        let pixels = picture.to_srgba8();
        for (row, line) in pixels.chunks_exact(picture.width() as usize * 4).enumerate() {
            for (column, pixel) in line.chunks_exact(4).enumerate() {
                let colour = [pixel[0], pixel[1], pixel[2]];
                self.mix([left + column as u32, top + row as u32], colour, pixel[3]);
            }
        }
        let below = top + picture.height();
        for (text, size, ink, down) in [(title, 15.0, INK, 5), (id, 13.0, FAINT_INK, 24)] {
            let line = self.lettering.line(text, size, self.cell[0]);
            for dot in line {
                self.mix([left + dot.x, below + down + dot.y], ink, dot.coverage);
            }
        }
    }

    /// Lays a colour over a pixel, `coverage` 0..=255; outside the sheet nothing happens.
    fn mix(&mut self, [x, y]: [u32; 2], colour: [u8; 3], coverage: u8) {
        if x >= self.size[0] || y >= self.size[1] {
            return;
        }
        let at = (y as usize * self.size[0] as usize + x as usize) * 4;
        let cover = u32::from(coverage);
        for (below, above) in self.rgba[at..at + 3].iter_mut().zip(colour) {
            *below = ((u32::from(*below) * (255 - cover) + u32::from(above) * cover + 127) / 255) as u8;
        }
    }

    fn finish(self) -> Result<Picture, Failure> {
        Picture::from_rgba8(self.size[0], self.size[1], self.rgba).map_err(|e| Failure::Work(e.to_string()))
    }
}
