//! Tones held to those of the recoloured photo.
//!
//! A network that is shown a photo in a painting's colours adds strokes to it, but to large dark or plain regions also spots of
//! other colours, where no brush would have put them. So whatever is wider than a stroke may be off only as far as the
//! photo itself varies around there. Finer strokes stay as they are, but in the dark, where such spots are as fine.

use image::{ImageBuffer, Rgb};
use imageproc::filter::gaussian_blur_f32;
use rayon::prelude::*;

use super::Recolouring;
use crate::nn::{self, Watch};
use crate::tasks::tiles::{Canvas, Source};

/// Side of the cells that tones are compared over, in pixels.
const CELL: usize = 4;
/// How far a tone may be off where the photo is plain, of 0..=255, and how much further for each unit that its values deviate
/// there. Chosen by eye: spots in a dark coat are dim, and leaves, clouds and fur painted as boldly as before.
const WHERE_PLAIN: f32 = 4.0;
const PER_DEVIATION: f32 = 0.6;
/// The largest of a photo's values, of 0..=255, up to which all is as dark as can be, and that from which nothing is dark.
const DARK: f32 = 40.0;
const LIGHT: f32 = 80.0;

/// One comparison of tones.
struct Hold {
    /// The standard deviation over which tones are tones, in cells.
    sigma: f32,
    /// The part of what they may usually be off.
    most: f32,
    /// Whether only so far as the photo is dark.
    in_the_dark: bool,
}

/// Tones over six pixels everywhere. In the dark over three, more narrowly and again: spots are smaller there, with an
/// outline, and strokes are hardly seen.
const HOLDS: [Hold; 3] = [EVERYWHERE, IN_THE_DARK, IN_THE_DARK];
const EVERYWHERE: Hold = Hold { sigma: 1.5, most: 1.0, in_the_dark: false };
const IN_THE_DARK: Hold = Hold { sigma: 0.7, most: 0.25, in_the_dark: true };

/// A value for the red, green and blue of each cell.
type Cells = ImageBuffer<Rgb<f32>, Vec<f32>>;

/// Holds the tones on `canvas` to those of `source`, which is as large, after `recolouring`.
///
/// # Errors
/// [`nn::Error::Cancelled`].
pub(super) fn hold(
    canvas: &mut Canvas,
    source: &Source<'_>,
    recolouring: &Recolouring,
    watch: &Watch<'_>,
) -> nn::Result<()> {
    let [mut off, photo, mean, square] = compared(canvas, source, recolouring);
    let [mean, square] = [mean, square].map(|cells| gaussian_blur_f32(&cells, EVERYWHERE.sigma));
    watch.check()?;
    let most = |(mean, square): (&Rgb<f32>, &Rgb<f32>)| {
        let variance = (0..3).map(|c| (square[c] - mean[c] * mean[c]).max(0.0)).sum::<f32>() / 3.0;
        WHERE_PLAIN + PER_DEVIATION * variance.sqrt()
    };
    let most: Vec<f32> = mean.pixels().zip(square.pixels()).map(most).collect();
    let dark = |photo: &Rgb<f32>| {
        let value = photo.0.into_iter().fold(0.0, f32::max);
        ((LIGHT - value) / (LIGHT - DARK)).clamp(0.0, 1.0)
    };
    let dark: Vec<f32> = photo.pixels().map(dark).collect();

    let mut excess = Cells::new(off.width(), off.height());
    for hold in HOLDS {
        watch.check()?;
        let tones = gaussian_blur_f32(&off, hold.sigma);
        let cells = off.pixels_mut().zip(excess.pixels_mut());
        for ((off, excess), ((tone, most), dark)) in cells.zip(tones.pixels().zip(&most).zip(&dark)) {
            let (most, share) = (hold.most * most, if hold.in_the_dark { *dark } else { 1.0 });
            for (c, tone) in tone.0.into_iter().enumerate() {
                let beyond = share * (tone - tone.clamp(-most, most));
                off[c] -= beyond;
                excess[c] += beyond;
            }
        }
    }
    canvas.lower(|y, row| between(&excess, y, row));
    Ok(())
}

/// For each cell: how far the canvas is off, the photo, and of what the canvas should show the mean and the mean square.
fn compared(canvas: &Canvas, source: &Source<'_>, recolouring: &Recolouring) -> [Cells; 4] {
    let [width, height] = canvas.size().map(|side| side as usize);
    let (columns, wide) = (width.div_ceil(CELL), source.width());
    let row = |row: usize| {
        let lines = row * CELL..((row + 1) * CELL).min(height);
        let photo = source.rows(lines.start, lines.end);
        let mut wanted = photo.clone();
        recolouring.apply(&mut wanted);
        let plane = lines.len() * wide;
        let mut sums = vec![[0.0f32; 12]; columns];
        for (line, y) in lines.clone().enumerate() {
            for (x, painted) in canvas.row(y).enumerate() {
                for (c, painted) in painted.into_iter().enumerate() {
                    let [photo, wanted] = [&photo, &wanted].map(|rows| rows[c * plane + line * wide + x]);
                    for (kind, value) in [painted - wanted, photo, wanted, wanted * wanted].into_iter().enumerate() {
                        sums[x / CELL][3 * kind + c] += value;
                    }
                }
            }
        }
        let pixels = |column: usize| (lines.len() * CELL.min(width - column * CELL)) as f32;
        sums.into_iter().enumerate().map(|(column, sums)| sums.map(|sum| sum / pixels(column))).collect::<Vec<_>>()
    };
    let means: Vec<_> = (0..height.div_ceil(CELL)).into_par_iter().map(row).collect();
    [0, 1, 2, 3].map(|kind| {
        let of = |x, y| Rgb([0, 1, 2].map(|c| means[y as usize][x as usize][3 * kind + c]));
        Cells::from_fn(columns as u32, means.len() as u32, of)
    })
}

/// Interpolated at the middles of a row's pixels.
fn between(cells: &Cells, y: usize, row: &mut [[f32; 3]]) {
    let place = |at: usize, count: u32| {
        let at = ((at as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        (at as u32, (at as u32 + 1).min(count - 1), at.fract())
    };
    let mix = |a: [f32; 3], b: [f32; 3], share: f32| [0, 1, 2].map(|c| a[c] * (1.0 - share) + b[c] * share);
    let (top, bottom, share) = place(y, cells.height());
    let line = |x: u32| mix(cells.get_pixel(x, top).0, cells.get_pixel(x, bottom).0, share);
    let line: Vec<[f32; 3]> = (0..cells.width()).map(line).collect();
    for (x, to) in row.iter_mut().enumerate() {
        let (left, right, share) = place(x, cells.width());
        *to = mix(line[left as usize], line[right as usize], share);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::palette::Palette;
    use super::*;
    use crate::imaging::Picture;
    use crate::tasks::tiles::Frame;

    /// Holds the tones to those of the photo in its own colours.
    fn hold_to(photo: &Picture, canvas: &mut Canvas) {
        let frame = Frame { channels: 3, range: [0.0, 255.0], multiple: 1, smallest: 16 };
        let nothing = Recolouring::mixed(&Palette::of(photo).unwrap(), [(1.0, None)].into_iter());
        hold(canvas, &Source::new(photo, frame), &nothing, &Watch::silent()).unwrap();
    }

    #[test]
    fn spots_in_plain_regions_go_and_strokes_stay() {
        let (side, middle) = (203usize, 101.0f32);
        // Plain on the left, a chequered cloth on the right.
        let value = |x: usize, y: usize| if x < 120 || (x / 8 + y / 8).is_multiple_of(2) { 90u8 } else { 190 };
        let pixel = |i: usize| if i % 4 == 3 { 255 } else { value(i / 4 % side, i / 4 / side) };
        let photo = Picture::from_rgba8(side as u32, side as u32, (0..side * side * 4).map(pixel).collect()).unwrap();
        let spot = |x: usize, y: usize, at: f32| (x as f32 - at).hypot(y as f32 - middle) < 14.0;
        for deep in [false, true] {
            let mut canvas = Canvas::new(photo.size(), deep);
            canvas.lower(|y, row| {
                for (x, to) in row.iter_mut().enumerate() {
                    let mut v = [f32::from(value(x, y)); 3];
                    v[2] += if spot(x, y, 50.0) || spot(x, y, 160.0) { 40.0 } else { 0.0 };
                    v[0] += if y == 20 { 50.0 } else { 0.0 };
                    *to = v.map(|v| 255.0 - v);
                }
            });
            hold_to(&photo, &mut canvas);
            let at = |x: usize, y: usize| canvas.row(y).nth(x).unwrap();
            let off = |x: usize, y: usize, c: usize| at(x, y)[c] - f32::from(value(x, y));
            assert!((0.0..9.0).contains(&off(50, 101, 2)), "the spot in the plain: {}", off(50, 101, 2));
            assert!(off(160, 101, 2) > 28.0, "the same where much is going on: {}", off(160, 101, 2));
            assert!(off(50, 20, 0) > 40.0, "a stroke: {}", off(50, 20, 0));
            assert!(off(50, 180, 0).abs() < 0.6, "what was right: {}", off(50, 180, 0));
        }
    }

    #[test]
    fn small_spots_go_where_the_photo_is_dark() {
        let side = 100usize;
        // Dark on the left, light on the right, a small spot in the middle of each.
        let value = |x: usize| if x < 50 { 20.0f32 } else { 150.0 };
        let pixel = |i: usize| if i % 4 == 3 { 255 } else { value(i / 4 % side) as u8 };
        let photo = Picture::from_rgba8(side as u32, side as u32, (0..side * side * 4).map(pixel).collect()).unwrap();
        let mut canvas = Canvas::new(photo.size(), false);
        canvas.lower(|y, row| {
            for (x, to) in row.iter_mut().enumerate() {
                let spot = [25.0, 75.0].iter().any(|at| (x as f32 - at).hypot(y as f32 - 50.0) < 7.0);
                *to = [255.0 - value(x), 255.0 - value(x), 255.0 - value(x) - if spot { 40.0 } else { 0.0 }];
            }
        });
        hold_to(&photo, &mut canvas);
        let off = |x: usize| canvas.row(50).nth(x).unwrap()[2] - value(x);
        assert!(off(25).abs() < 5.0, "in the dark: {}", off(25));
        assert!(off(75) > 15.0, "in the light, where strokes are as small: {}", off(75));
    }
}
