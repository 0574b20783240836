//! The picture as a network sees it.

use rayon::prelude::*;

use crate::imaging::{self, Picture, mirror};

/// How a network sees pictures. Lengths in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::tasks) struct Frame {
    /// 3 for RGB, 1 for grey.
    pub channels: usize,
    /// The values of black and of white.
    pub range: [f32; 2],
    /// Both sides are multiples of this.
    pub multiple: usize,
    /// Neither side is less.
    pub smallest: usize,
}

impl Frame {
    /// How long a side becomes.
    fn side(&self, n: usize) -> usize {
        n.max(self.smallest).next_multiple_of(self.multiple.max(1))
    }

    /// How a picture of this width and height lies in a tensor of one.
    pub fn shape(&self, [width, height]: [u32; 2]) -> [usize; 4] {
        [1, self.channels, self.side(height as usize), self.side(width as usize)]
    }
}

/// The picture as the network sees it: mirrored outwards if it is too small or no multiple, read a few rows at a time.
pub(in crate::tasks) struct Source<'a> {
    picture: &'a Picture,
    frame: Frame,
    /// What shines through transparent pixels, sRGB-encoded: the mean of the visible ones, so that neither hidden colours
    /// nor edges bleed in.
    ground: [f32; 3],
}

impl<'a> Source<'a> {
    pub fn new(picture: &'a Picture, frame: Frame) -> Source<'a> {
        let mut sums = [0.0f64; 4];
        if picture.has_alpha() {
            let mut row = Vec::new();
            // Every eighth row of a big picture tells the mean well enough.
            for y in (0..picture.height()).step_by(if picture.height() > 512 { 8 } else { 1 }) {
                picture.srgb_row(y, &mut row);
                for p in &row {
                    (0..3).for_each(|c| sums[c] += f64::from(p[c] * p[3]));
                    sums[3] += f64::from(p[3]);
                }
            }
        }
        let ground = if sums[3] > 0.0 { [0, 1, 2].map(|c| (sums[c] / sums[3]) as f32) } else { [0.5; 3] };
        Source { picture, frame, ground }
    }

    /// Another picture seen the same way, over the same ground.
    pub fn of<'b>(&self, picture: &'b Picture) -> Source<'b> {
        Source { picture, frame: self.frame, ground: self.ground }
    }

    pub fn picture(&self) -> &'a Picture {
        self.picture
    }

    pub fn width(&self) -> usize {
        self.frame.side(self.picture.width() as usize)
    }

    pub fn height(&self) -> usize {
        self.frame.side(self.picture.height() as usize)
    }

    /// Rows `from..to` as `[channels, to - from, width]`.
    pub fn rows(&self, from: usize, to: usize) -> Vec<f32> {
        let (width, real) = (self.width(), [self.picture.width() as usize, self.picture.height() as usize]);
        let [black, white] = self.frame.range;
        let span = white - black;
        let plane = (to - from) * width;
        let mut planar = vec![0.0; 3 * plane];
        let (red, rest) = planar.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        let rows = red.par_chunks_mut(width).zip(green.par_chunks_mut(width)).zip(blue.par_chunks_mut(width));
        rows.enumerate().for_each_init(Vec::new, |row, (y, ((red, green), blue))| {
            self.picture.srgb_row(mirror((from + y) as i64, real[1]) as u32, row);
            for x in 0..width {
                let Some(p) = row.get(mirror(x as i64, real[0])) else {
                    return;
                };
                let over = |c: usize| self.ground[c] + (p[c] - self.ground[c]) * p[3];
                let mut seen = if p[3] == 1.0 { [p[0], p[1], p[2]] } else { [0, 1, 2].map(over) };
                if self.frame.channels == 1 {
                    seen = [imaging::grey(seen); 3];
                }
                [red[x], green[x], blue[x]] = seen.map(|v| v * span + black);
            }
        });
        planar.truncate(self.frame.channels * plane);
        planar
    }
}
