//! Sheets: several pictures of one size beside each other, each with two lines below it.

use super::lettering::Lettering;
use super::page::{FAINT_INK, INK, Page};
use crate::imaging::{Excess, ImagingError, Picture};

/// Space around the pictures, in pixels at scale 1.
const GAP: f32 = 16.0;
/// Height of the two lines below each picture.
const LABEL: f32 = 44.0;
/// Height of a line of a text that is longer.
const LINE: f32 = 20.0;
/// Of a title, or a text; and of what is below a title.
const TITLE: f32 = 15.0;
const BELOW: f32 = 13.0;
/// The most pixels of a sheet.
const MOST_PIXELS: u64 = 400_000_000;

/// Width and height of a picture of `size` with its lines, in pixels; letters and gaps are `scale` times as large.
pub fn cell([width, height]: [u32; 2], scale: f32) -> [u32; 2] {
    [width, height.saturating_add((LABEL * scale) as u32)]
}

/// Width and height of a sheet of such cells, in pixels.
pub fn size(picture: [u32; 2], scale: f32, cells: usize, columns: u32) -> [u32; 2] {
    sheet_size(cell(picture, scale), scale, cells, columns)
}

/// The columns with which a sheet comes close to three by two and has few holes.
pub fn columns(picture: [u32; 2], scale: f32, cells: usize) -> u32 {
    const ASPECT: f32 = 1.5;
    let [width, height] = cell(picture, scale).map(|side| side as f32);
    let cost = |columns: &usize| {
        let rows = cells.div_ceil(*columns);
        let off = (*columns as f32 * width / (rows as f32 * height) / ASPECT).ln().abs();
        off + (rows * columns - cells) as f32 / cells as f32
    };
    (1..=cells).min_by(|a, b| cost(a).total_cmp(&cost(b))).map_or(1, |columns| columns as u32)
}

fn sheet_size([width, height]: [u32; 2], scale: f32, cells: usize, columns: u32) -> [u32; 2] {
    let columns = columns.max(1);
    let rows = u32::try_from(cells).unwrap_or(u32::MAX).div_ceil(columns);
    let gap = (GAP * scale) as u32;
    let side = |n: u32, cell: u32| n.saturating_mul(cell.saturating_add(gap)).saturating_add(gap);
    [side(columns, width), side(rows, height)]
}

/// A sheet that is being filled.
pub struct Sheet {
    columns: u32,
    cell: [u32; 2],
    scale: f32,
    page: Page,
    lettering: Lettering,
}

impl Sheet {
    /// An empty sheet for so many pictures of a size, filled row by row; letters and gaps are `scale` times as large as
    /// pictures of 480 pixels need them.
    ///
    /// # Errors
    /// [`ImagingError::TooLarge`] for more than 400 megapixels.
    pub fn new(picture: [u32; 2], scale: f32, cells: usize, columns: u32) -> Result<Sheet, ImagingError> {
        Sheet::with_cells(cell(picture, scale), scale, cells, columns, Lettering::new())
    }

    /// As [`Sheet::new`], with room for all of a text below each picture: see [`Sheet::paste_text`].
    ///
    /// # Errors
    /// As [`Sheet::new`].
    pub fn for_text(
        picture: [u32; 2],
        scale: f32,
        cells: usize,
        columns: u32,
        text: &str,
    ) -> Result<Sheet, ImagingError> {
        let mut lettering = Lettering::new();
        let lines = lettering.wrapped(text.split_whitespace(), TITLE * scale, picture[0]).len();
        let more = (lines.saturating_sub(2) as f32 * LINE * scale) as u32;
        let [width, height] = cell(picture, scale);
        Sheet::with_cells([width, height.saturating_add(more)], scale, cells, columns, lettering)
    }

    fn with_cells(
        cell: [u32; 2],
        scale: f32,
        cells: usize,
        columns: u32,
        lettering: Lettering,
    ) -> Result<Sheet, ImagingError> {
        let size = sheet_size(cell, scale, cells, columns);
        let [width, height] = size;
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            let reason = Excess::Sheet { cells, width, height, most: MOST_PIXELS / 1_000_000 };
            return Err(ImagingError::TooLarge { reason });
        }
        Ok(Sheet { columns: columns.max(1), cell, scale, page: Page::new(size), lettering })
    }

    /// Puts a picture and its two lines into cell `index`.
    pub fn paste(&mut self, index: usize, picture: &Picture, title: &str, below: &str) {
        let under = self.place(index, picture);
        self.write(title, TITLE, under, 5.0, INK);
        self.write(below, BELOW, under, 24.0, FAINT_INK);
    }

    /// Puts a picture into cell `index` and all of a text below it, over as many lines as there is room for.
    pub fn paste_text(&mut self, index: usize, picture: &Picture, text: &str) {
        let under = self.place(index, picture);
        let lines = self.lettering.wrapped(text.split_whitespace(), TITLE * self.scale, self.cell[0]);
        for (number, words) in lines.into_iter().enumerate() {
            let line = text.split_whitespace().skip(words.start).take(words.len()).collect::<Vec<_>>().join(" ");
            self.write(&line, TITLE, under, 5.0 + number as f32 * LINE, INK);
        }
    }

    /// Puts a picture into cell `index`, and gives the left bottom of it.
    fn place(&mut self, index: usize, picture: &Picture) -> [u32; 2] {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let gap = (GAP * self.scale) as u32;
        let left = gap + (index % self.columns) * (self.cell[0] + gap);
        let top = gap + (index / self.columns) * (self.cell[1] + gap);
        self.page.paste(picture, [left, top]);
        [left, top + picture.height()]
    }

    fn write(&mut self, text: &str, size: f32, [left, under]: [u32; 2], down: f32, ink: [u8; 3]) {
        let (size, place) = (size * self.scale, [left, under + (down * self.scale) as u32]);
        self.page.write(&mut self.lettering, text, size, self.cell[0], place, ink);
    }

    /// The sheet as a picture.
    ///
    /// # Errors
    /// [`ImagingError::BadShape`] for a sheet of no pixels.
    pub fn finish(self) -> Result<Picture, ImagingError> {
        self.page.finish()
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

    #[test]
    fn a_sheet_is_wide_and_has_few_holes() {
        let columns = |picture, cells| columns(picture, 1.0, cells);
        assert_eq!([1, 2, 8, 9, 11, 12].map(|cells| columns([480, 320], cells)), [1, 2, 3, 3, 4, 4]);
        assert_eq!((columns([480, 480], 8), columns([320, 480], 10), columns([480, 60], 10)), (4, 5, 2));
    }

    #[test]
    fn a_long_text_makes_room_for_itself() {
        let height = |text: &str| Sheet::for_text([200, 100], 1.0, 2, 2, text).ok().map(|sheet| sheet.cell[1]);
        let word = "word ";
        assert_eq!(height(""), Some(144));
        assert_eq!(height("two dogs"), Some(144));
        assert!(height(&word.repeat(50)) > height(&word.repeat(25)), "{:?}", height(&word.repeat(50)));
    }
}
