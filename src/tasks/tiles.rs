//! A picture of any size through a fully convolutional network: whole when it fits, in tiles when it does not.
//!
//! The one thing in the network that sees the whole picture is instance normalisation. So a large picture first goes
//! through at a smaller size, where each norm's means and variances are recorded; tiles that replay these and overlap by
//! more than the receptive field give, pixel for pixel, what the whole picture would have given.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::TaskError;
use crate::imaging::{ImagingError, Picture};
use crate::models::TransformerNet;
use crate::nn::{ChannelStatistics, Pool, Statistics, Watch, with_slice};

/// When and how to cut. Lengths in pixels.
pub(super) struct Tiling {
    /// Pictures of at most this many pixels run whole.
    pub whole: u64,
    /// Pixels of the copy that statistics are taken from.
    pub overview: u64,
    /// Side of a tile without its overlap; a multiple of 4, for the network works on a grid of 4.
    pub core: usize,
    /// Overlap on each side, a multiple of 4 and no less than the receptive field's radius: 4 + 1 at full size, 2 at
    /// half, 4 x 10 at a quarter, then 2, 1 and 4 on the way up, and 3 for the grid.
    pub overlap: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        Tiling { whole: 4_300_000, overview: 1 << 20, core: 1024, overlap: 64 }
    }
}

/// The network mirrors four pixels at its edges and again at a quarter of the size: a picture needs this many.
const SMALLEST: usize = 16;

/// The picture as the network sees it: RGB 0..255, mirrored outwards if it is too small, read a few rows at a time.
pub(super) struct Source<'a> {
    picture: &'a Picture,
    /// What shines through transparent pixels, sRGB-encoded: the mean of the visible ones, so that neither hidden colours
    /// nor edges bleed in.
    ground: [f32; 3],
}

impl<'a> Source<'a> {
    pub(super) fn new(picture: &'a Picture) -> Source<'a> {
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
        Source { picture, ground }
    }

    fn width(&self) -> usize {
        (self.picture.width() as usize).max(SMALLEST)
    }

    fn height(&self) -> usize {
        (self.picture.height() as usize).max(SMALLEST)
    }

    /// Rows `from..to` as `[3, to - from, width]`.
    fn rows(&self, from: usize, to: usize) -> Vec<f32> {
        let (width, real) = (self.width(), [self.picture.width() as usize, self.picture.height() as usize]);
        let mut planar = vec![0.0; 3 * (to - from) * width];
        let (red, rest) = planar.split_at_mut((to - from) * width);
        let (green, blue) = rest.split_at_mut((to - from) * width);
        let rows = red.par_chunks_mut(width).zip(green.par_chunks_mut(width)).zip(blue.par_chunks_mut(width));
        rows.enumerate().for_each_init(Vec::new, |row, (y, ((red, green), blue))| {
            self.picture.srgb_row(mirror(from + y, real[1]) as u32, row);
            for x in 0..width {
                let Some(p) = row.get(mirror(x, real[0])) else {
                    return;
                };
                let over = |c: usize| (self.ground[c] + (p[c] - self.ground[c]) * p[3]) * 255.0;
                (red[x], green[x], blue[x]) =
                    if p[3] == 1.0 { (p[0] * 255.0, p[1] * 255.0, p[2] * 255.0) } else { (over(0), over(1), over(2)) };
            }
        });
        planar
    }
}

/// Index `i` of a row of `n` pixels continued to and fro.
fn mirror(i: usize, n: usize) -> usize {
    let period = (2 * n).saturating_sub(2).max(1);
    let i = i % period;
    if i < n { i } else { period - i }
}

/// Where results are put together: opaque RGBA of the picture's size and depth.
pub(super) struct Canvas {
    size: [u32; 2],
    samples: Depth,
}

enum Depth {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Canvas {
    pub(super) fn new(size: [u32; 2], sixteen_bit: bool) -> Canvas {
        let n = size[0] as usize * size[1] as usize * 4;
        let samples = if sixteen_bit { Depth::Sixteen(vec![u16::MAX; n]) } else { Depth::Eight(vec![u8::MAX; n]) };
        Canvas { size, samples }
    }

    pub(super) fn into_picture(self) -> Result<Picture, ImagingError> {
        match self.samples {
            Depth::Eight(v) => Picture::from_rgba8(self.size[0], self.size[1], v),
            Depth::Sixteen(v) => Picture::from_rgba16(self.size[0], self.size[1], v),
        }
    }

    /// Puts the part of `result`, `[3, rows, columns]` whose corner is at `corner` of the picture, that lies in `part`.
    fn put(&mut self, result: &[f32], shape: [usize; 2], corner: [usize; 2], part: &Part) -> Result<(), TaskError> {
        let width = self.size[0] as usize;
        let rows = part.y.start..part.y.end.min(self.size[1] as usize);
        let columns = part.x.start..part.x.end.min(width);
        if rows.is_empty() || columns.is_empty() {
            return Ok(());
        }
        let plane = shape[0] * shape[1];
        let value = |c: usize, y: usize, x: usize| result[c * plane + (y - corner[0]) * shape[1] + x - corner[1]];
        let range = rows.start * width * 4..rows.end * width * 4;
        let sound = match &mut self.samples {
            Depth::Eight(v) => v[range].par_chunks_mut(width * 4).enumerate().all(|(i, row)| {
                columns.clone().all(|x| {
                    (0..3).all(|c| {
                        let v = value(c, rows.start + i, x);
                        row[x * 4 + c] = v.round().clamp(0.0, 255.0) as u8;
                        v.is_finite()
                    })
                })
            }),
            Depth::Sixteen(v) => v[range].par_chunks_mut(width * 4).enumerate().all(|(i, row)| {
                columns.clone().all(|x| {
                    (0..3).all(|c| {
                        let v = value(c, rows.start + i, x);
                        row[x * 4 + c] = (v * 257.0).round().clamp(0.0, 65535.0) as u16;
                        v.is_finite()
                    })
                })
            }),
        };
        if sound { Ok(()) } else { Err(TaskError::NotFinite) }
    }
}

/// A tile's own pixels.
#[derive(Clone, Debug)]
struct Part {
    y: std::ops::Range<usize>,
    x: std::ops::Range<usize>,
}

impl Part {
    /// With its overlap, cut off at the picture's edges.
    fn widened(&self, by: usize, height: usize, width: usize) -> Part {
        let wide = |r: &std::ops::Range<usize>, n: usize| r.start.saturating_sub(by)..(r.end + by).min(n);
        Part { y: wide(&self.y, height), x: wide(&self.x, width) }
    }

    fn shape(&self) -> [usize; 4] {
        [1, 3, self.y.len(), self.x.len()]
    }
}

/// Runs `net` over `source` and puts the result on `canvas`. Progress counts multiply-adds, so that it grows evenly.
pub(super) fn stylise(
    net: &TransformerNet,
    mix: &[f32],
    source: &Source<'_>,
    tiling: &Tiling,
    canvas: &mut Canvas,
    watch: &Watch<'_>,
) -> Result<(), TaskError> {
    let (height, width) = (source.height(), source.width());
    let pixels = (height * width) as u64;
    let pool = Pool::default();
    if pixels <= tiling.whole {
        let all = Part { y: 0..height, x: 0..width };
        let planar = source.rows(0, height);
        let x = Tensor::from_vec(planar, &all.shape()[..], &Device::Cpu)?;
        let y = net.forward_with(&x, mix, Statistics::Compute, watch, &pool)?;
        return place(&y, canvas, [0, 0], &all);
    }
    // A long thin strip scaled to the overview's pixels could become too thin: never below the smallest side.
    let scale = (tiling.overview as f64 / pixels as f64).sqrt();
    let longer =
        (height.max(width) as f64 * scale).max((SMALLEST * height.max(width)) as f64 / height.min(width) as f64);
    let small = source.picture.resized(longer as u32);
    let overview = Source { picture: &small, ground: source.ground };
    let all = Part { y: 0..overview.height(), x: 0..overview.width() };

    let bands: Vec<_> = (0..height).step_by(tiling.core).map(|y| y..(y + tiling.core).min(height)).collect();
    let parts = |y: &std::ops::Range<usize>| {
        let y = y.clone();
        (0..width).step_by(tiling.core).map(move |x| Part { y: y.clone(), x: x..(x + tiling.core).min(width) })
    };
    let mut total = net.flops(all.shape())?;
    for part in bands.iter().flat_map(parts) {
        total += net.flops(part.widened(tiling.overlap, height, width).shape())?;
    }
    let mut done = net.flops(all.shape())?;
    let mut statistics: Vec<ChannelStatistics> = Vec::new();
    let x = Tensor::from_vec(overview.rows(0, overview.height()), &all.shape()[..], &Device::Cpu)?;
    let part = watch.part(0.0, (done / total) as f32);
    net.forward_with(&x, mix, Statistics::Record(&mut statistics), &part, &pool)?;
    drop(x);

    for band in &bands {
        let rows = Part { y: band.clone(), x: 0..width }.widened(tiling.overlap, height, width);
        let planar = source.rows(rows.y.start, rows.y.end);
        for part in parts(band) {
            watch.check()?;
            let wide = part.widened(tiling.overlap, height, width);
            let x = Tensor::from_vec(cut(&planar, rows.y.len(), width, &wide), &wide.shape()[..], &Device::Cpu)?;
            let flops = net.flops(wide.shape())?;
            let step = watch.part((done / total) as f32, ((done + flops) / total) as f32);
            let y = net.forward_with(&x, mix, Statistics::Replay(&statistics), &step, &pool)?;
            done += flops;
            place(&y, canvas, [wide.y.start, wide.x.start], &part)?;
        }
    }
    Ok(())
}

/// The columns of `part` from `[3, rows, width]`.
fn cut(planar: &[f32], rows: usize, width: usize, part: &Part) -> Vec<f32> {
    planar.chunks_exact(width).take(3 * rows).flat_map(|row| &row[part.x.clone()]).copied().collect()
}

fn place(y: &Tensor, canvas: &mut Canvas, corner: [usize; 2], part: &Part) -> Result<(), TaskError> {
    let (_, _, rows, columns) = y.dims4()?;
    let mut placed = Ok(());
    with_slice(y, |values| {
        placed = canvas.put(values, [rows, columns], corner, part);
        Ok(())
    })?;
    placed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::models::transformer_net::Config;
    use candle_core::DType;
    use candle_nn::VarBuilder;

    #[test]
    fn tiles_meet_without_seams() {
        // With the same statistics, tiles must give what one tile as large as the picture gives.
        let config = Config { widths: [4, 6, 8], residuals: 5, styles: None };
        let mut tensors = TransformerNet::random(&config).unwrap();
        for (name, scale, middle) in [("deconv3.conv2d.weight", 25.0, 0.0), ("deconv3.conv2d.bias", 1.0, 127.0)] {
            let t = tensors.remove(name).unwrap();
            tensors.insert(name.to_owned(), t.affine(scale, middle).unwrap());
        }
        let net = TransformerNet::new(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap();
        let (w, h) = (301u32, 262u32);
        let pixel = |i: u32| [(i * 37 % 251) as u8, (i / 7 % 256) as u8, (i.wrapping_mul(i) % 241) as u8, 255];
        let picture = Picture::from_rgba8(w, h, (0..w * h).flat_map(pixel).collect()).unwrap();
        let run = |core: usize| {
            let tiling = Tiling { whole: 0, overview: 96 * 96, core, overlap: 64 };
            let mut canvas = Canvas::new([w, h], true);
            stylise(&net, &[1.0], &Source::new(&picture), &tiling, &mut canvas, &Watch::silent()).unwrap();
            let Depth::Sixteen(v) = canvas.samples else { panic!("16 bit were asked for") };
            v
        };
        let (whole, tiled) = (run(4096), run(64));
        assert!(whole.iter().filter(|v| (1..65535).contains(*v)).count() > whole.len() / 3, "mostly clipped");
        let worst = whole.iter().zip(&tiled).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 2, "off by {worst} of 65535");
    }

    #[test]
    fn mirroring_goes_to_and_fro() {
        let seen: Vec<usize> = (0..9).map(|i| mirror(i, 3)).collect();
        assert_eq!(seen, [0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(mirror(7, 1), 0);
    }
}
