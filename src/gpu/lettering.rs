//! Lettering for contact sheets, set with the window's own text engine and fonts.

use std::sync::Arc;

use egui::epaint::text::{FontDefinitions, Fonts, LayoutJob, TextOptions, TextWrapping};
use egui::{Color32, FontData, FontFamily, FontId, TextFormat};

use super::HANGUL;

/// Sets single lines of text.
pub(super) struct Lettering(Fonts);

/// One pixel of a line: where, from the line's left top, and how much of it is ink (0..=255).
pub(super) struct Dot {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) coverage: u8,
}

impl Lettering {
    pub(super) fn new() -> Lettering {
        let mut fonts = FontDefinitions::default();
        fonts.font_data.insert("hangul".into(), Arc::new(FontData::from_static(HANGUL)));
        fonts.families.entry(FontFamily::Proportional).or_default().push("hangul".into());
        Lettering(Fonts::new(TextOptions::default(), fonts))
    }

    /// The pixels of `text` at `size` pixels, cut with an ellipsis where it is longer than `width`.
    pub(super) fn line(&mut self, text: &str, size: f32, width: u32) -> Vec<Dot> {
        let format = TextFormat::simple(FontId::proportional(size), Color32::WHITE);
        let mut job = LayoutJob::single_section(text.to_owned(), format);
        job.wrap = TextWrapping::truncate_at_width(width as f32);
        let galley = self.0.with_pixels_per_point(1.0).layout_job(job);
        let atlas = self.0.image();
        let mut dots = Vec::new();
        for row in &galley.rows {
            // Each glyph is a rectangle of two triangles; its first and last corners span it, on the line and in the
            // atlas alike, pixel for pixel.
            for glyph in row.visuals.mesh.vertices.chunks_exact(4) {
                let (first, last) = (glyph[0], glyph[3]);
                let place = first.pos + row.pos.to_vec2();
                let from = [first.uv.x.round() as usize, first.uv.y.round() as usize];
                let to = [last.uv.x.round() as usize, last.uv.y.round() as usize];
                for v in from[1]..to[1].min(atlas.height()) {
                    for u in from[0]..to[0].min(atlas.width()) {
                        let coverage = atlas[(u, v)].a();
                        let x = place.x.round() + (u - from[0]) as f32;
                        let y = place.y.round() + (v - from[1]) as f32;
                        if coverage > 0 && x >= 0.0 && y >= 0.0 {
                            dots.push(Dot { x: x as u32, y: y as u32, coverage });
                        }
                    }
                }
            }
        }
        dots
    }
}
