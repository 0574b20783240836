//! A picture halved again and again: the mip levels, made on the CPU and cut into tiles. Pure, no wgpu.
//!
//! Level `l` is `ceil(side / 2^l)` texels; its texel `i` covers the picture pixels `i * 2^l .. (i + 1) * 2^l` exactly,
//! where the picture's last row and column are thought to go on for ever. So a place in the picture is the same place
//! in every level and every tile, whatever their sizes, and nothing drifts or shows a seam.

use std::borrow::Cow;

use rayon::prelude::*;

/// One level: RGBA8, interleaved, straight alpha, sRGB-encoded.
pub(super) struct Level<'a> {
    pub size: [u32; 2],
    pub rgba: Cow<'a, [u8]>,
}

impl<'a> Level<'a> {
    /// Level 0 over the picture's own bytes; copied only if it has fully transparent pixels.
    pub fn first(size: [u32; 2], rgba: &'a [u8]) -> Self {
        let hidden = rgba.par_chunks_exact(4).any(|p| p[3] == 0);
        let level = Self { size, rgba: Cow::Borrowed(rgba) };
        if hidden { level.bled() } else { level }
    }

    /// The next level: every 2 x 2 pixels become one, weighted by their alpha so that hidden colours do not count.
    pub fn halved(&self) -> Level<'static> {
        let [w, h] = self.size.map(|side| side as usize);
        let size = self.size.map(|side| side.div_ceil(2));
        let mut rgba = vec![0u8; bytes(size)];
        rgba.par_chunks_exact_mut(size[0] as usize * 4).enumerate().for_each(|(y, row)| {
            let above = &self.rgba[2 * y * w * 4..][..w * 4];
            let below = &self.rgba[(2 * y + 1).min(h - 1) * w * 4..][..w * 4];
            for (x, out) in row.chunks_exact_mut(4).enumerate() {
                let (left, right) = (2 * x * 4, (2 * x + 1).min(w - 1) * 4);
                out.copy_from_slice(&mean([&above[left..], &above[right..], &below[left..], &below[right..]]));
            }
        });
        Level { size, rgba: Cow::Owned(rgba) }
    }

    /// Fully transparent pixels take the mean colour of their visible neighbours; everything visible stays as it is.
    ///
    /// The sampler interpolates colour and alpha apart. Without this, whatever colour a file hides under alpha 0 (often
    /// black) would show as a dark fringe along the edge.
    fn bled(&self) -> Level<'a> {
        let [w, h] = self.size.map(|side| side as usize);
        let mut rgba = self.rgba.to_vec();
        rgba.par_chunks_exact_mut(w * 4).enumerate().for_each(|(y, row)| {
            for (x, out) in row.chunks_exact_mut(4).enumerate().filter(|(_, out)| out[3] == 0) {
                let (mut sum, mut count) = ([0u32; 3], 0u32);
                for ny in y.saturating_sub(1)..=(y + 1).min(h - 1) {
                    for nx in x.saturating_sub(1)..=(x + 1).min(w - 1) {
                        let p = &self.rgba[(ny * w + nx) * 4..][..4];
                        if p[3] > 0 {
                            sum = [0, 1, 2].map(|c| sum[c] + u32::from(p[c]));
                            count += 1;
                        }
                    }
                }
                if count > 0 {
                    out[..3].copy_from_slice(&sum.map(|s| ((s + count / 2) / count) as u8));
                }
            }
        });
        Level { size: self.size, rgba: Cow::Owned(rgba) }
    }

    /// The rectangle of `size` texels at `origin`, which may reach beyond the level: there its edge goes on.
    pub fn cut(&self, origin: [i64; 2], size: [u32; 2]) -> Vec<u8> {
        let [w, h] = self.size.map(i64::from);
        let mut out = vec![0u8; bytes(size)];
        out.par_chunks_exact_mut(size[0] as usize * 4).enumerate().for_each(|(y, row)| {
            let y = (origin[1] + y as i64).clamp(0, h - 1);
            let source = &self.rgba[(y * w * 4) as usize..][..(w * 4) as usize];
            let texel = |x: i64| &source[(x.clamp(0, w - 1) * 4) as usize..][..4];
            // The part that lies within the level in one piece, the rest texel by texel.
            let (left, right) = (origin[0], origin[0] + i64::from(size[0]));
            let (from, to) = (left.clamp(0, w), right.clamp(0, w));
            let at = |x: i64| ((x - left) * 4) as usize;
            for x in (left..from.min(right)).chain(to.max(left)..right) {
                row[at(x)..][..4].copy_from_slice(texel(x));
            }
            if from < to {
                row[at(from)..at(to)].copy_from_slice(&source[(from * 4) as usize..(to * 4) as usize]);
            }
        });
        out
    }
}

/// Bytes of an RGBA8 picture of this size.
pub(super) fn bytes(size: [u32; 2]) -> usize {
    size[0] as usize * size[1] as usize * 4
}

/// The mean of four RGBA8 pixels (first four bytes of each slice), colours weighted by alpha.
fn mean(pixels: [&[u8]; 4]) -> [u8; 4] {
    let sum = |f: &dyn Fn(&[u8]) -> u32| pixels.iter().map(|p| f(p)).sum::<u32>();
    let alpha = sum(&|p| u32::from(p[3]));
    let colour = |c: usize| match alpha {
        // Opaque is the common case; and where nothing is visible, the bled colours are all there is to keep.
        0 | 1020 => (sum(&|p| u32::from(p[c])) + 2) / 4,
        _ => (sum(&|p| u32::from(p[c]) * u32::from(p[3])) + alpha / 2) / alpha,
    };
    [colour(0) as u8, colour(1) as u8, colour(2) as u8, ((alpha + 2) / 4) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_weighs_colours_by_alpha() {
        let rgba = [200, 0, 0, 255, 0, 0, 0, 0, 200, 0, 0, 255, 0, 0, 0, 0];
        let level = Level { size: [2, 2], rgba: Cow::Borrowed(&rgba) }.halved();
        assert_eq!(level.size, [1, 1]);
        assert_eq!(*level.rgba, [200, 0, 0, 128]);
    }

    #[test]
    fn an_odd_side_keeps_its_last_pixel() {
        let rgba: Vec<u8> = [10u8, 20, 90].iter().flat_map(|&v| [v, v, v, 255]).collect();
        let level = Level::first([3, 1], &rgba).halved();
        assert_eq!((level.size, level.rgba[0], level.rgba[4]), ([2, 1], 15, 90));
    }

    #[test]
    fn hidden_colours_are_replaced_and_visible_ones_kept() {
        let rgba = [100, 150, 200, 255, 0, 0, 0, 0, 1, 2, 3, 0];
        let level = Level::first([3, 1], &rgba);
        assert_eq!(*level.rgba, [100, 150, 200, 255, 100, 150, 200, 0, 1, 2, 3, 0]);
        assert!(matches!(Level::first([1, 1], &[1, 2, 3, 1]).rgba, Cow::Borrowed(_)));
    }

    #[test]
    fn a_cut_continues_the_edges() {
        let rgba: Vec<u8> = (0..6u8).flat_map(|v| [v, v, v, 255]).collect();
        let level = Level::first([3, 2], &rgba);
        let reds = |origin, size| level.cut(origin, size).chunks_exact(4).map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(reds([-1, -1], [5, 4]), [0, 0, 1, 2, 2, 0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 3, 3, 4, 5, 5]);
        assert_eq!(reds([1, 1], [2, 1]), [4, 5]);
        assert_eq!(reds([5, 0], [2, 1]), [2, 2]);
        assert_eq!(reds([-4, 0], [2, 1]), [0, 0]);
    }
}
