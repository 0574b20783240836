//! Lettering for contact sheets and animations, set with the window's own text engine and fonts.

use std::ops::Range;
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
        let mut job = job(text, size);
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
    /// How wide a line is, in pixels.
    pub(super) fn width(&mut self, text: &str, size: f32) -> f32 {
        let mut job = job(text, size);
        job.wrap = TextWrapping::no_max_width();
        self.0.with_pixels_per_point(1.0).layout_job(job).size().x
    }

    /// How wide the space between words is, in pixels.
    pub(super) fn space(&mut self, size: f32) -> f32 {
        self.width("n n", size) - self.width("nn", size)
    }

    /// The words by number, line by line, as many in each as `width` holds and at least one.
    pub(super) fn wrapped<'a>(
        &mut self,
        words: impl IntoIterator<Item = &'a str>,
        size: f32,
        width: u32,
    ) -> Vec<Range<usize>> {
        let space = self.space(size);
        let mut lines: Vec<Range<usize>> = Vec::new();
        let mut taken = 0.0;
        for (number, word) in words.into_iter().enumerate() {
            let word = self.width(word, size);
            match lines.last_mut() {
                Some(line) if taken + space + word <= width as f32 => {
                    line.end = number + 1;
                    taken += space + word;
                }
                _ => {
                    lines.push(number..number + 1);
                    taken = word;
                }
            }
        }
        lines
    }
}

fn job(text: &str, size: f32) -> LayoutJob {
    let format = TextFormat::simple(FontId::proportional(size), Color32::WHITE);
    LayoutJob::single_section(text.to_owned(), format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_none_is_lost() {
        let mut lettering = Lettering::new();
        let text = "a dog with a red frisbee in its mouth runs over the grass";
        for width in [1, 60, 100, 200, 400, 10_000] {
            let lines = lettering.wrapped(text.split(' '), 15.0, width);
            let numbers: Vec<usize> = lines.iter().cloned().flatten().collect();
            assert_eq!(numbers, (0..13).collect::<Vec<_>>(), "{width}");
            for line in lines.iter().filter(|line| line.len() > 1) {
                let line = text.split(' ').skip(line.start).take(line.len()).collect::<Vec<_>>().join(" ");
                assert!(lettering.width(&line, 15.0) <= width as f32 + 1.0, "{line:?} in {width}");
            }
        }
        assert_eq!(lettering.wrapped(text.split(' '), 15.0, 10_000).len(), 1);
        assert!(lettering.wrapped([], 15.0, 100).is_empty());
    }
}
