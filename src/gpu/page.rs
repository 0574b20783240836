//! A page: pictures and letters on grey paper.

use super::lettering::Lettering;
use crate::imaging::{ImagingError, Picture};

/// A true grey, so that it tints nothing.
pub(super) const PAPER: [u8; 3] = [32, 32, 32];
/// What is to be read first, and what is below it.
pub(super) const INK: [u8; 3] = [236, 236, 236];
pub(super) const FAINT_INK: [u8; 3] = [160, 160, 160];

/// A page that is being filled.
pub(super) struct Page {
    size: [u32; 2],
    rgba: Vec<u8>,
}

impl Page {
    /// An empty one.
    pub fn new(size: [u32; 2]) -> Page {
        let paper = [PAPER[0], PAPER[1], PAPER[2], 255];
        Page { size, rgba: paper.repeat(size[0] as usize * size[1] as usize) }
    }

    /// Lays a picture with its left top on a pixel; what lies beyond the page is cut.
    pub fn paste(&mut self, picture: &Picture, [left, top]: [u32; 2]) {
        let pixels = picture.to_srgba8();
        for (row, line) in pixels.chunks_exact(picture.width() as usize * 4).enumerate() {
            for (column, pixel) in line.chunks_exact(4).enumerate() {
                let colour = [pixel[0], pixel[1], pixel[2]];
                self.mix([left + column as u32, top + row as u32], colour, pixel[3]);
            }
        }
    }

    /// Writes a line with its left top on a pixel, `size` pixels high and cut with an ellipsis beyond `width`.
    pub fn write(
        &mut self,
        lettering: &mut Lettering,
        text: &str,
        size: f32,
        width: u32,
        [left, top]: [u32; 2],
        ink: [u8; 3],
    ) {
        for dot in lettering.line(text, size, width) {
            self.mix([left + dot.x, top + dot.y], ink, dot.coverage);
        }
    }

    /// Lays a colour over a pixel, `coverage` 0..=255; outside the page nothing happens.
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

    /// The page as a picture.
    ///
    /// # Errors
    /// [`ImagingError::BadShape`] for a page of no pixels.
    pub fn finish(self) -> Result<Picture, ImagingError> {
        Picture::from_rgba8(self.size[0], self.size[1], self.rgba)
    }
}
