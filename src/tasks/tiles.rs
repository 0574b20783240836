//! A picture of any size through a fully convolutional network that makes a picture of it: whole when it fits, in tiles
//! when it does not.
//!
//! The one thing in the network that sees the whole picture is instance normalisation, if it has that. So a large picture first goes
//! through at a smaller size, where each norm's means and variances are recorded; tiles that replay these and overlap by
//! more than the receptive field give, pixel for pixel, what the whole picture would have given.

mod canvas;
mod source;

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::TaskError;
use crate::imaging::scaled_size;
use crate::nn::{self, ChannelStatistics, Pool, Statistics, Watch, with_slice};

pub(super) use canvas::Canvas;
use canvas::{Made, Part};
pub(super) use source::{Frame, Source};

/// A network that makes a picture of a picture, as large, of values of the same range.
pub(super) trait Painter {
    /// How it sees pictures.
    fn frame(&self) -> Frame;

    /// Whether it normalises by the picture's own statistics.
    fn measures(&self) -> bool {
        true
    }

    /// Multiply-adds of a pass over `[1, channels, height, width]`, times two.
    fn flops(&self, shape: [usize; 4]) -> nn::Result<f64>;

    /// What becomes of `[1, channels, height, width]` of a picture, whose corner lies at this row and column of it, before
    /// [`Painter::paint`] sees them.
    fn prepare(&self, _planar: &mut [f32], _shape: [usize; 4], _corner: [usize; 2]) {}

    /// From `[1, channels, height, width]` to `[1, 1 or 3, height or more, width or more]`.
    fn paint(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> nn::Result<Tensor>;
}

/// When and how to cut. Lengths in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiling {
    /// Pictures of at most this many pixels run whole.
    pub whole: u64,
    /// Pixels of the copy that statistics are taken from.
    pub overview: u64,
    /// Side of a tile without its overlap; a multiple of the grid that the network works on.
    pub core: usize,
    /// Overlap on each side, a multiple of the grid and no less than the receptive field's radius.
    pub overlap: usize,
}

/// A picture's way through a network: whole, or in which bands of which tiles.
struct Plan {
    height: usize,
    width: usize,
    tiling: Tiling,
    /// The longer side of the copy that statistics are taken from; `None` runs whole.
    overview: Option<u32>,
}

impl Plan {
    fn new(height: usize, width: usize, smallest: usize, tiling: &Tiling) -> Plan {
        let pixels = (height * width) as u64;
        // A long thin strip scaled to the overview's pixels could become too thin: never below the smallest side.
        let scale = (tiling.overview as f64 / pixels as f64).sqrt();
        let longer =
            (height.max(width) as f64 * scale).max((smallest * height.max(width)) as f64 / height.min(width) as f64);
        let overview = if pixels <= tiling.whole { None } else { Some(longer as u32) };
        Plan { height, width, tiling: *tiling, overview }
    }

    fn bands(&self) -> impl Iterator<Item = Range<usize>> {
        let (height, core) = (self.height, self.tiling.core);
        (0..height).step_by(core).map(move |y| y..(y + core).min(height))
    }

    fn parts(&self, band: &Range<usize>) -> impl Iterator<Item = Part> + use<> {
        let (band, width, core) = (band.clone(), self.width, self.tiling.core);
        (0..width).step_by(core).map(move |x| Part { y: band.clone(), x: x..(x + core).min(width) })
    }

    fn widened(&self, part: &Part) -> Part {
        part.widened(self.tiling.overlap, self.height, self.width)
    }

    /// Of all tiles with their overlaps.
    fn flops(&self, net: &dyn Painter) -> nn::Result<f64> {
        let channels = net.frame().channels;
        let parts = self.bands().flat_map(|band| self.parts(&band));
        parts.map(|part| net.flops(self.widened(&part).shape(channels))).sum()
    }
}

/// About how many multiply-adds, times two, [`paint`] takes for a picture of this width and height.
pub(super) fn work(net: &dyn Painter, size: [u32; 2], tiling: &Tiling) -> nn::Result<f64> {
    let frame = net.frame();
    let shape = frame.shape(size);
    let plan = Plan::new(shape[2], shape[3], frame.smallest, tiling);
    let Some(longer) = plan.overview else { return net.flops(shape) };
    if !net.measures() {
        return plan.flops(net);
    }
    let small = scaled_size([3, 2].map(|side| shape[side] as u32), longer);
    Ok(net.flops(frame.shape(small))? + plan.flops(net)?)
}

/// Runs `net` over `source`, which sees as it does, and puts the result on `canvas`. Progress counts multiply-adds, so that
/// it grows evenly.
pub(super) fn paint(
    net: &dyn Painter,
    source: &Source<'_>,
    tiling: &Tiling,
    canvas: &mut Canvas,
    watch: &Watch<'_>,
    pool: &Pool,
) -> Result<(), TaskError> {
    let frame = net.frame();
    let channels = frame.channels;
    let (height, width) = (source.height(), source.width());
    let plan = Plan::new(height, width, frame.smallest, tiling);
    let Some(longer) = plan.overview else {
        let all = Part { y: 0..height, x: 0..width };
        let x = prepared(net, source.rows(0, height), &all)?;
        let y = net.paint(&x, Statistics::Compute, watch, pool)?;
        return place(&y, frame.range, canvas, [0, 0], &all);
    };
    let mut statistics: Vec<ChannelStatistics> = Vec::new();
    let tiles = plan.flops(net)?;
    let mut done = 0.0;
    if net.measures() {
        let small = source.picture().resized(longer);
        let overview = source.of(&small);
        let all = Part { y: 0..overview.height(), x: 0..overview.width() };
        done = net.flops(all.shape(channels))?;
        let x = prepared(net, overview.rows(0, overview.height()), &all)?;
        let part = watch.part(0.0, (done / (done + tiles)) as f32);
        net.paint(&x, Statistics::Record(&mut statistics), &part, pool)?;
    }
    let total = done + tiles;

    for band in plan.bands() {
        let rows = plan.widened(&Part { y: band.clone(), x: 0..width });
        let planar = source.rows(rows.y.start, rows.y.end);
        for part in plan.parts(&band) {
            watch.check()?;
            let wide = plan.widened(&part);
            let x = prepared(net, cut(&planar, width, &wide), &wide)?;
            let flops = net.flops(wide.shape(channels))?;
            let step = watch.part((done / total) as f32, ((done + flops) / total) as f32);
            let y = net.paint(&x, Statistics::Replay(&statistics), &step, pool)?;
            done += flops;
            place(&y, frame.range, canvas, [wide.y.start, wide.x.start], &part)?;
        }
    }
    Ok(())
}

fn prepared(net: &dyn Painter, mut planar: Vec<f32>, part: &Part) -> nn::Result<Tensor> {
    let shape = part.shape(net.frame().channels);
    net.prepare(&mut planar, shape, [part.y.start, part.x.start]);
    Ok(Tensor::from_vec(planar, &shape[..], &Device::Cpu)?)
}

/// The columns of `part` from `[channels, rows, width]`.
fn cut(planar: &[f32], width: usize, part: &Part) -> Vec<f32> {
    planar.chunks_exact(width).flat_map(|row| &row[part.x.clone()]).copied().collect()
}

fn place(y: &Tensor, range: [f32; 2], canvas: &mut Canvas, corner: [usize; 2], part: &Part) -> Result<(), TaskError> {
    let (_, channels, rows, columns) = y.dims4()?;
    let mut placed = Ok(());
    with_slice(y, |values| {
        placed = canvas.put(&Made { values, shape: [channels, rows, columns], corner, range }, part);
        Ok(())
    })?;
    placed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::canvas::Depth;
    use super::*;
    use crate::imaging::Picture;
    use crate::models::transformer_net::Config;
    use crate::models::{Generator, ResnetGenerator, TransformerNet, cyclegan, cyclegan::Up, random};
    use candle_core::DType;
    use candle_nn::VarBuilder;

    struct Johnson(TransformerNet);

    impl Painter for Johnson {
        fn frame(&self) -> Frame {
            Frame { channels: 3, range: [0.0, 255.0], multiple: 1, smallest: 16 }
        }

        fn flops(&self, shape: [usize; 4]) -> nn::Result<f64> {
            self.0.flops(shape)
        }

        fn paint(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> nn::Result<Tensor> {
            self.0.forward_with(x, &[1.0], statistics, watch, pool)
        }
    }

    struct Resnet(ResnetGenerator);

    impl Painter for Resnet {
        fn frame(&self) -> Frame {
            Frame { channels: 3, range: [-1.0, 1.0], multiple: 4, smallest: 8 }
        }

        fn flops(&self, shape: [usize; 4]) -> nn::Result<f64> {
            self.0.flops(shape)
        }

        fn paint(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> nn::Result<Tensor> {
            self.0.forward_with(x, statistics, watch, pool)
        }
    }

    /// With the same statistics, tiles must give what one tile as large as the picture gives.
    fn meets(net: &dyn Painter, overlap: usize) {
        let (w, h) = (301u32, 262u32);
        let pixel = |i: u32| [(i * 37 % 251) as u8, (i / 7 % 256) as u8, (i.wrapping_mul(i) % 241) as u8, 255];
        let picture = Picture::from_rgba8(w, h, (0..w * h).flat_map(pixel).collect()).unwrap();
        let run = |core: usize| {
            let tiling = Tiling { whole: 0, overview: 96 * 96, core, overlap };
            let mut canvas = Canvas::new([w, h], true);
            let source = Source::new(&picture, net.frame());
            paint(net, &source, &tiling, &mut canvas, &Watch::silent(), &Pool::default()).unwrap();
            let Depth::Sixteen(v) = canvas.into_samples() else { panic!("16 bit were asked for") };
            v
        };
        let (whole, tiled) = (run(4096), run(64));
        assert!(whole.iter().filter(|v| (1..65535).contains(*v)).count() > whole.len() / 3, "mostly clipped");
        let worst = whole.iter().zip(&tiled).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 2, "off by {worst} of 65535");
    }

    #[test]
    fn tiles_of_the_style_network_meet_without_seams() {
        let config = Config { widths: [4, 6, 8], residuals: 5, styles: None };
        let mut tensors = TransformerNet::random(&config).unwrap();
        for (name, scale, middle) in [("deconv3.conv2d.weight", 25.0, 0.0), ("deconv3.conv2d.bias", 1.0, 127.0)] {
            let t = tensors.remove(name).unwrap();
            tensors.insert(name.to_owned(), t.affine(scale, middle).unwrap());
        }
        let net = TransformerNet::new(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap();
        meets(&Johnson(net), 64);
    }

    #[test]
    fn tiles_of_a_generator_meet_without_seams() {
        let antialiased = (true, Up::Antialiased);
        for (blurred, up) in
            [(false, Up::Transposed), (false, Up::Antialiased), antialiased, (false, Up::ResizedReflect)]
        {
            let config = cyclegan::Config { width: 4, blurred, up, ..cyclegan::Config::paper(3) };
            let net = ResnetGenerator::new(config, random::weights()).unwrap();
            let reach = net.reach().expect("it is convolutional");
            meets(&Resnet(net), reach.next_multiple_of(4));
        }
    }
}
