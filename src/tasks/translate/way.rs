//! One direction of a model: its generator, and the discriminator of what that makes.

use std::collections::HashMap;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};

use super::Map;
use crate::imaging::{Picture, scaled_size};
use crate::models::{Generator, PatchGan, Statistics};
use crate::nn::{self, Error, Pool, Watch, with_slice};
use crate::tasks::tiles::{self, Canvas, Frame, Painter, Source, Tiling};
use crate::tasks::{TaskError, scaled};
use crate::zoo;

/// What a pass may hold at a time, in numbers: 1.15 GB.
const MOST_NUMBERS: usize = 287_500_000;
/// The most pixels that a discriminator looks at.
const MOST_JUDGED: u64 = 4_000_000;
/// The values of black and of white.
const RANGE: [f32; 2] = [-1.0, 1.0];

type Tensors = HashMap<String, Tensor>;

/// One direction's networks.
#[derive(Debug)]
pub(super) struct Way {
    generator: Box<dyn Generator>,
    /// What the generator was built from, where its batch norms can take the picture's own statistics: then it is built once
    /// more when they are first wanted.
    tensors: Option<Tensors>,
    own: OnceLock<Box<dyn Generator>>,
    judge: Option<PatchGan>,
    /// How far the picture is mirrored outwards before the generator sees it, pixels: its zero padding draws a border there.
    pub margin: u32,
}

impl Way {
    /// # Errors
    /// [`TaskError::Zoo`] for weights of anything but a generator; [`TaskError::Network`] for one of other pictures than grey
    /// and RGB.
    pub fn new(tensors: Tensors) -> Result<Way, TaskError> {
        let (_, generator) = zoo::translator(tensors.clone(), false)?;
        zoo::check_generator(generator.channels())?;
        let tensors = generator.has_batch_norm().then_some(tensors);
        Ok(Way { generator, tensors, own: OnceLock::new(), judge: None, margin: 0 })
    }

    /// Joins the discriminator of what the generator makes.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for weights of anything else; [`TaskError::Network`] for one of other pictures.
    pub fn join_judge(&mut self, tensors: Tensors) -> Result<(), TaskError> {
        let judge = zoo::judge(tensors)?;
        zoo::check_judge(self.generator.channels(), judge.config().channels)?;
        self.judge = Some(judge);
        Ok(())
    }

    pub fn has_judge(&self) -> bool {
        self.judge.is_some()
    }

    pub fn has_batch_norm(&self) -> bool {
        self.tensors.is_some()
    }

    /// # Errors
    /// As [`Way::new`].
    pub fn maker(&self, own_statistics: bool) -> Result<Maker<'_>, TaskError> {
        let Some(tensors) = self.tensors.as_ref().filter(|_| own_statistics) else {
            return Ok(Maker::new(&*self.generator, self.margin));
        };
        if let Some(own) = self.own.get() {
            return Ok(Maker::new(&**own, self.margin));
        }
        let (_, own) = zoo::translator(tensors.clone(), true)?;
        Ok(Maker::new(&**self.own.get_or_init(|| own), self.margin))
    }

    pub fn judge(&self) -> Option<Judge<'_>> {
        let [ins, outs] = self.generator.channels();
        self.judge.as_ref().map(|net| Judge { net, channels: [ins, outs] })
    }
}

/// The longest that the longer side of a picture of this width and height may be, its own at most, so that the network sees
/// at most so many pixels. Those that are padded count: of a thin picture they are most.
///
/// # Errors
/// [`Error::Shape`] for a network that cannot see as few.
fn longer_side(size: [u32; 2], frame: &Frame, most: u64) -> nn::Result<u32> {
    let fits = |longer: u32| {
        let [_, _, height, width] = frame.shape(scaled_size(size, longer));
        (height as u64).saturating_mul(width as u64) <= most
    };
    let longer = size[0].max(size[1]).max(1);
    if fits(longer) {
        return Ok(longer);
    }
    let (mut fitting, mut too_long) = (1, longer);
    if !fits(fitting) {
        let side = frame.smallest.max(frame.multiple);
        return Err(Error::Shape(format!(
            "the network is too wide to run on {side} x {side} pixels, its smallest picture"
        )));
    }
    while too_long - fitting > 1 {
        let middle = fitting + (too_long - fitting) / 2;
        if fits(middle) { fitting = middle } else { too_long = middle }
    }
    Ok(fitting)
}

/// A generator making pictures of pictures of any size.
pub(super) struct Maker<'a> {
    generator: &'a dyn Generator,
    tiling: Tiling,
    /// Pictures of more pixels are scaled down to this: a network that sees everything cannot work in tiles.
    most: Option<u64>,
    /// As [`Way::margin`].
    margin: u32,
}

impl<'a> Maker<'a> {
    fn new(generator: &'a dyn Generator, margin: u32) -> Maker<'a> {
        let whole = (MOST_NUMBERS / generator.footprint().max(1)) as u64;
        let Some(reach) = generator.reach() else {
            let tiling = Tiling { whole: u64::MAX, overview: whole, core: 1024, overlap: 0 };
            return Maker { generator, tiling, most: Some(whole), margin };
        };
        let grid = generator.multiple().max(1);
        let overlap = reach.next_multiple_of(grid);
        // A tile with its overlap needs no more memory than a whole picture may.
        let core = ((whole as f64).sqrt() as usize).saturating_sub(2 * overlap).clamp(256, 1024);
        let core = core.next_multiple_of(grid);
        Maker { generator, tiling: Tiling { whole, overview: whole.min(1 << 20), core, overlap }, most: None, margin }
    }

    /// The longer side at which a picture of this width and height is worked on.
    fn longer_side(&self, size: [u32; 2]) -> nn::Result<u32> {
        longer_side(size, &self.frame(), self.most.unwrap_or(u64::MAX))
    }

    /// About how many multiply-adds, times two, a picture of this width and height takes.
    ///
    /// # Errors
    /// [`Error::Shape`] for what the network cannot see.
    pub fn work(&self, size: [u32; 2]) -> nn::Result<f64> {
        let seen = scaled_size(size, self.longer_side(size)?).map(|side| side + 2 * self.margin);
        tiles::work(self, seen, &self.tiling)
    }

    /// What the generator makes of `picture`: as large, opaque, sRGB, 16-bit.
    ///
    /// # Errors
    /// As [`super::TranslationModel::run`].
    pub fn make(&self, picture: &Picture, watch: &Watch<'_>, pool: &Pool) -> Result<Picture, TaskError> {
        let mut seen = scaled(picture, scaled_size(picture.size(), self.longer_side(picture.size())?), watch)?;
        let (margin, inner) = (self.margin as i32, seen.size());
        if margin > 0 {
            seen = seen.window([-margin; 2], inner.map(|side| side + 2 * self.margin));
        }
        let mut canvas = Canvas::new(seen.size(), true);
        tiles::paint(self, &Source::new(&seen, self.frame()), &self.tiling, &mut canvas, watch, pool)?;
        let mut made = canvas.into_picture()?;
        if margin > 0 {
            made = made.window([margin; 2], inner);
        }
        scaled(&made, picture.size(), watch)
    }
}

impl Painter for Maker<'_> {
    fn frame(&self) -> Frame {
        let [channels, _] = self.generator.channels();
        Frame {
            channels,
            range: RANGE,
            multiple: self.generator.multiple().max(1),
            smallest: self.generator.smallest(),
        }
    }

    fn measures(&self) -> bool {
        self.generator.measures()
    }

    fn flops(&self, shape: [usize; 4]) -> nn::Result<f64> {
        self.generator.flops(shape)
    }

    fn paint(&self, x: &Tensor, statistics: Statistics<'_>, watch: &Watch<'_>, pool: &Pool) -> nn::Result<Tensor> {
        self.generator.forward_with(x, statistics, watch, pool)
    }
}

/// A discriminator looking at what a generator made.
pub(super) struct Judge<'a> {
    net: &'a PatchGan,
    /// The generator's in and out.
    channels: [usize; 2],
}

impl Judge<'_> {
    /// How the given picture and the made one are seen.
    fn frames(&self) -> [Frame; 2] {
        let multiple = self.net.spacing();
        self.channels.map(|channels| Frame { channels, range: RANGE, multiple, smallest: self.net.smallest() })
    }

    /// The longer side at which a picture of this width and height is looked at.
    fn longer_side(&self, size: [u32; 2]) -> nn::Result<u32> {
        let most = MOST_JUDGED.min((MOST_NUMBERS / self.net.footprint().max(1)) as u64);
        longer_side(size, &self.frames()[1], most)
    }

    /// As [`Maker::work`].
    ///
    /// # Errors
    /// [`Error::Shape`] for what the network cannot see.
    pub fn work(&self, size: [u32; 2]) -> nn::Result<f64> {
        let [_, _, height, width] = self.frames()[1].shape(scaled_size(size, self.longer_side(size)?));
        self.net.flops([1, self.net.config().channels, height, width])
    }

    /// How real `made` looks, which the generator made of `given`; the map has the shape of a picture of the size `whole`.
    ///
    /// # Errors
    /// As [`super::TranslationModel::run`].
    pub fn look(
        &self,
        [given, made]: [&Picture; 2],
        whole: [u32; 2],
        watch: &Watch<'_>,
        pool: &Pool,
    ) -> Result<Map, TaskError> {
        let made = made.resized(self.longer_side(made.size())?);
        let [width, height] = made.size();
        let given = crate::tasks::scaled(given, [width, height], watch)?;
        let sources =
            [&given, &made].into_iter().zip(self.frames()).map(|(picture, frame)| Source::new(picture, frame));
        // With as many channels as one picture has, it sees the made one alone.
        let stacked = self.net.config().channels != self.channels[1];
        let planes = sources.skip(usize::from(!stacked)).map(|source| source.rows(0, source.height()));
        let values: Vec<f32> = planes.collect::<Vec<_>>().concat();
        let [_, _, rows, columns] = self.frames()[1].shape(made.size());
        let x = Tensor::from_vec(values, (1, self.net.config().channels, rows, columns), &Device::Cpu)?;
        let scores = self.net.forward(&x, watch, pool)?;
        let (_, _, _, columns) = scores.dims4()?;
        let mut map = Err(TaskError::NotFinite);
        with_slice(&scores, |scores| {
            if scores.iter().all(|score| score.is_finite()) {
                map = Ok(Map::of_patches(scores, columns, self.net.spacing(), [width, height], whole));
            }
            Ok(())
        })?;
        map
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::{ResnetGenerator, UnetGenerator, cyclegan, cyclegan::Up, patch_gan, pix2pix, random};

    fn unet(width: usize, halvings: usize) -> UnetGenerator {
        let widths = (0..halvings).map(|i| width << i.min(3)).collect();
        let normalisation = cyclegan::Normalisation::Instance;
        let config = pix2pix::Config { widths, normalisation, ..pix2pix::Config::paper(halvings) };
        UnetGenerator::new(config, random::weights()).unwrap()
    }

    #[test]
    fn a_network_that_sees_everything_sees_less_of_what_is_too_large() {
        let narrow = unet(16, 7);
        let maker = Maker::new(&narrow, 0);
        assert_eq!(maker.longer_side([4000, 3000]).unwrap(), 4000, "12 megapixels run whole");
        assert!((4000..6000).contains(&maker.longer_side([8000, 6000]).unwrap()));
        assert!(maker.work([8000, 6000]).unwrap() < 1.2 * maker.work([4000, 3000]).unwrap());

        let small = unet(4, 3);
        let maker = Maker { most: Some(64 * 64), ..Maker::new(&small, 0) };
        let picture = Picture::from_rgba8(200, 90, [200, 30, 90, 255].repeat(200 * 90)).unwrap();
        let made = maker.make(&picture, &Watch::silent(), &Pool::default()).unwrap();
        assert_eq!((made.size(), made.is_sixteen_bit()), ([200, 90], true));
        // What it saw has no more pixels than it may.
        let seen = maker.longer_side([200, 90]).unwrap();
        assert!(seen * seen * 90 / 200 <= 64 * 64 && seen >= 64, "{seen}");
    }

    #[test]
    fn what_is_padded_counts() {
        let narrow = unet(16, 8);
        let maker = Maker::new(&narrow, 0);
        let most = maker.most.unwrap();
        let config = patch_gan::Config { widths: vec![1; 10], ..patch_gan::Config::paper(3, 1) };
        let deep = PatchGan::new(config, random::weights()).unwrap();
        let judge = Judge { net: &deep, channels: [3, 3] };
        for size in [[65_535, 1], [2, 65_535], [65_535, 300], [9_000, 7_000]] {
            let frames = [
                (maker.frame(), most, maker.longer_side(size)),
                (judge.frames()[1], MOST_JUDGED, judge.longer_side(size)),
            ];
            for (frame, most, longer) in frames {
                let pixels = |longer: u32| {
                    let [_, _, height, width] = frame.shape(scaled_size(size, longer));
                    (height * width) as u64
                };
                let longer = longer.unwrap();
                assert!(pixels(longer) <= most && pixels(longer + 1) > most, "{size:?}: {longer}");
            }
        }
        assert_eq!(judge.longer_side([500, 20]).unwrap(), 500);

        // One so wide that its smallest picture is too much is told, not run.
        let maker = Maker { most: Some(256 * 256 - 1), ..Maker::new(&narrow, 0) };
        let picture = Picture::from_rgba8(20, 9, [200, 30, 90, 255].repeat(20 * 9)).unwrap();
        let refused = maker.make(&picture, &Watch::silent(), &Pool::default()).unwrap_err();
        assert!(refused.to_string().contains("256 x 256"), "{refused}");
        assert!(maker.work([20, 9]).is_err());
    }

    #[test]
    fn tiles_overlap_by_what_decides_a_pixel() {
        let variants = [
            (6, 24, false, Up::Antialiased),
            (9, 8, false, Up::Transposed),
            (9, 8, true, Up::Antialiased),
            (9, 8, false, Up::ResizedReflect),
        ];
        for (blocks, width, blurred, up) in variants {
            let config = cyclegan::Config { width, blurred, up, ..cyclegan::Config::paper(blocks) };
            let net = ResnetGenerator::new(config, random::weights()).unwrap();
            let Maker { tiling, most, .. } = Maker::new(&net, 0);
            assert!(most.is_none() && tiling.overlap >= net.reach().unwrap());
            assert_eq!((tiling.overlap % 4, tiling.core % 4), (0, 0), "{tiling:?}");
            assert!(((tiling.core + 2 * tiling.overlap).pow(2) as u64) <= tiling.whole, "{tiling:?}");
        }
    }
}
