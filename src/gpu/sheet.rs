//! Sheets: several pictures of one size beside each other, each with two lines below it.

use super::lettering::Lettering;
use crate::imaging::{ImagingError, Picture};

/// Space around the pictures, in pixels at scale 1.
const GAP: f32 = 16.0;
/// Height of the two lines below each picture.
const LABEL: f32 = 44.0;
/// The most pixels of a sheet.
const MOST_PIXELS: u64 = 400_000_000;
/// A true grey, so that it tints nothing.
const PAPER: [u8; 3] = [32, 32, 32];
/// Titles, and what is below them.
const INK: [u8; 3] = [236, 236, 236];
const FAINT_INK: [u8; 3] = [160, 160, 160];

/// Width and height of a picture of `size` with its lines, in pixels; letters and gaps are `scale` times as large.
pub fn cell([width, height]: [u32; 2], scale: f32) -> [u32; 2] {
    [width, height.saturating_add((LABEL * scale) as u32)]
}

/// Width and height of a sheet of such cells, in pixels.
pub fn size(picture: [u32; 2], scale: f32, cells: usize, columns: u32) -> [u32; 2] {
    let columns = columns.max(1);
    let rows = u32::try_from(cells).unwrap_or(u32::MAX).div_ceil(columns);
    let gap = (GAP * scale) as u32;
    let side = |n: u32, cell: u32| n.saturating_mul(cell.saturating_add(gap)).saturating_add(gap);
    let [width, height] = cell(picture, scale);
    [side(columns, width), side(rows, height)]
}

/// A sheet that is being filled.
pub struct Sheet {
    columns: u32,
    cell: [u32; 2],
    scale: f32,
    size: [u32; 2],
    rgba: Vec<u8>,
    lettering: Lettering,
}

impl Sheet {
    /// An empty sheet for so many pictures of a size, filled row by row; letters and gaps are `scale` times as large as
    /// pictures of 480 pixels need them.
    ///
    /// # Errors
    /// [`ImagingError::TooLarge`] for more than 400 megapixels.
    pub fn new(picture: [u32; 2], scale: f32, cells: usize, columns: u32) -> Result<Sheet, ImagingError> {
        let size = size(picture, scale, cells, columns);
        let [width, height] = size;
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            let most = MOST_PIXELS / 1_000_000;
            let reason =
                format!("{cells} pictures make a sheet of {width} x {height} pixels, {most} megapixels are allowed");
            return Err(ImagingError::TooLarge { reason });
        }
        let paper = [PAPER[0], PAPER[1], PAPER[2], 255];
        let rgba = paper.repeat(size[0] as usize * size[1] as usize);
        let cell = cell(picture, scale);
        Ok(Sheet { columns: columns.max(1), cell, scale, size, rgba, lettering: Lettering::new() })
    }

    /// Puts a picture and its two lines into cell `index`.
    pub fn paste(&mut self, index: usize, picture: &Picture, title: &str, below: &str) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let gap = (GAP * self.scale) as u32;
        let left = gap + (index % self.columns) * (self.cell[0] + gap);
        let top = gap + (index / self.columns) * (self.cell[1] + gap);
        let pixels = picture.to_srgba8();
        for (row, line) in pixels.chunks_exact(picture.width() as usize * 4).enumerate() {
            for (column, pixel) in line.chunks_exact(4).enumerate() {
                let colour = [pixel[0], pixel[1], pixel[2]];
                self.mix([left + column as u32, top + row as u32], colour, pixel[3]);
            }
        }
        let under = top + picture.height();
        for (text, size, ink, down) in [(title, 15.0, INK, 5.0), (below, 13.0, FAINT_INK, 24.0)] {
            let down = (down * self.scale) as u32;
            for dot in self.lettering.line(text, size * self.scale, self.cell[0]) {
                self.mix([left + dot.x, under + down + dot.y], ink, dot.coverage);
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

    /// The sheet as a picture.
    ///
    /// # Errors
    /// [`ImagingError::BadShape`] for a sheet of no pixels.
    pub fn finish(self) -> Result<Picture, ImagingError> {
        Picture::from_rgba8(self.size[0], self.size[1], self.rgba)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_beyond_memory_is_refused_before_it_is_made() {
        assert!(Sheet::new([64, 48], 1.0, 3, 3).is_ok());
        for (picture, cells) in [([20_000, 10_000], 3), ([65_535, 65_535], 1), ([1, 1], usize::MAX)] {
            let refused = Sheet::new(picture, 1.0, cells, 2).err();
            assert!(matches!(refused, Some(ImagingError::TooLarge { .. })), "{picture:?} x {cells}: {refused:?}");
        }
    }
}
