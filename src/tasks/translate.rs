//! Translation: a photo as another kind of picture, by generators that learnt it from pairs (pix2pix) or from two heaps of
//! pictures (CycleGAN), and back again.

mod files;
mod map;
mod way;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{TaskError, scaled};
use crate::imaging::{ImagingError, Picture, scaled_size};
use crate::nn::{Pool, Precision, Watch};
use crate::zoo::{self, Card, TwoWay};

pub use files::LeftOut;
pub use map::Map;
use way::Way;

/// From which of a model's two domains to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From the first to the second.
    #[default]
    #[serde(rename = "a2b")]
    AToB,
    /// From the second to the first.
    #[serde(rename = "b2a")]
    BToA,
}

impl Direction {
    /// The way back.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::AToB => Direction::BToA,
            Direction::BToA => Direction::AToB,
        }
    }

    /// Of the domain it starts from.
    fn index(self) -> usize {
        match self {
            Direction::AToB => 0,
            Direction::BToA => 1,
        }
    }
}

/// What a person chose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// Which way.
    pub direction: Direction,
    /// Also goes the way back, and gives the generator of the way back the picture itself. Left out where the model has
    /// no way back.
    #[serde(default)]
    pub cycle: bool,
    /// Also asks the discriminator. Left out where the model has none.
    #[serde(default)]
    pub judged: bool,
    /// Batch norms take the picture's own statistics in place of those kept in training: what pix2pix's `test.py` does
    /// without `--eval`. Without effect on networks of instance norms.
    #[serde(default)]
    pub own_statistics: bool,
    /// The networks work on the picture scaled to this longer side, never enlarged; the results have the picture's own size in
    /// any case. `None` is what the model was made for; where its card does not say, the picture's own size.
    #[serde(default)]
    pub longer_side: Option<u32>,
    /// How exactly the networks compute.
    #[serde(default)]
    pub precision: Precision,
}

/// A translated picture.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The id (or the file's name) of the model.
    pub model: String,
    /// Which way it went.
    pub direction: Direction,
    /// G(X): as large as the input, opaque, sRGB; 16-bit if the input was.
    pub translated: Arc<Picture>,
    /// The way back, if it was asked for and the model has one.
    pub cycle: Option<Cycle>,
    /// How real the discriminator finds the translation: 1 is what it was trained to say of real pictures, 0 of made ones;
    /// values beyond both occur. One value per patch, interpolated to cover the picture.
    pub verdict: Option<Map>,
    /// How long it took.
    pub seconds: f64,
}

/// There and back again: with G the chosen way, F the way back and X the picture.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// F(G(X)), as [`Outcome::translated`].
    pub back: Arc<Picture>,
    /// |F(G(X)) - X|.
    pub error: Map,
    /// F(X): what the way back makes of a picture that is already there. The identity loss wants X.
    pub same: Arc<Picture>,
    /// |F(X) - X|.
    pub same_error: Map,
}

/// The models that ship with the program, in the order they are shown; the first is what a person begins with.
pub fn models() -> Vec<&'static Card> {
    zoo::models_for(zoo::Task::Translate).collect()
}

/// Generators and discriminators, loaded. Shared between threads freely; each run has its own memory.
#[derive(Debug)]
pub struct TranslationModel {
    id: String,
    domains: [String; 2],
    longer_side: Option<u32>,
    /// From A, and from B.
    ways: [Option<Way>; 2],
    directions: Vec<Direction>,
    left_out: Option<Arc<LeftOut>>,
}

impl TranslationModel {
    /// Loads the model of this id, or the checkpoint at this path; `back`, if given, is the checkpoint of the way back.
    ///
    /// # Errors
    /// As [`TranslationModel::load`], [`TranslationModel::from_file`] and [`TranslationModel::with_way_back`].
    pub fn named(model: &str, back: Option<&Path>) -> Result<TranslationModel, TaskError> {
        let known = models().iter().any(|card| card.id == model) || zoo::imported_model(model).is_some();
        let loaded = match known {
            true => TranslationModel::load(model)?,
            false if back.is_some() => TranslationModel::from_file_alone(Path::new(model))?,
            false => TranslationModel::from_file(Path::new(model))?,
        };
        match back {
            Some(back) => loaded.with_way_back(back),
            None => Ok(loaded),
        }
    }

    /// Loads a model that ships with the program, or was added to it, by its id.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for an unknown id, or weights that are missing or damaged.
    pub fn load(id: &str) -> Result<TranslationModel, TaskError> {
        if let Some((card, weights)) = zoo::imported_model(id) {
            let mut model = TranslationModel { id: card.id, ..TranslationModel::from_file_alone(&weights)? };
            if let Ok(domains) = card.domains.try_into() {
                model.domains = domains;
            }
            model.longer_side = card.longer_side;
            return Ok(model);
        }
        let all = models();
        let card = all.iter().find(|card| card.id == id).ok_or_else(|| zoo::ZooError::UnknownModel {
            id: id.to_owned(),
            known: all.iter().map(|card| card.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let [a, b] = card.domains.as_slice() else {
            let reason = format!("its card names {} kinds of pictures instead of two", card.domains.len());
            return Err(zoo::ZooError::Damaged { name: id.to_owned(), reason }.into());
        };
        let mut model = TranslationModel::new(id.to_owned(), TwoWay::of(zoo::tensors(id)?))?;
        (model.domains, model.longer_side) = ([a.clone(), b.clone()], card.longer_side);
        model.ways.iter_mut().flatten().for_each(|way| way.margin = card.margin);
        Ok(model)
    }

    /// Loads a checkpoint of a generator: of CycleGAN, pix2pix or CUT as their authors' code writes them, or one of Lucida's
    /// own with both ways and the discriminators. A file called `..._net_G_A.pth` beside one called `..._net_G_B.pth` (as
    /// CycleGAN's code writes them) is joined with it, whichever of the two is named, and goes its own direction first; a
    /// discriminator's file beside a generator's (`..._net_D_A.pth`, or `..._net_D.pth` for `..._net_G.pth`) is joined too.
    /// A file beside that cannot be used is left out, which [`TranslationModel::left_out`] tells.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for a file that is no checkpoint or of another network, naming the first tensor that is missing;
    /// [`TaskError::Network`] for one of pictures that are neither grey nor RGB.
    pub fn from_file(path: &Path) -> Result<TranslationModel, TaskError> {
        let mut model = TranslationModel::from_file_alone(path)?;
        if let ([first], Some(other)) = (&model.directions[..], files::way_back(path)) {
            let missing = first.reversed();
            match files::way(&other, missing) {
                Ok(back) => model.join(back, missing),
                Err(error) => model.left_out = Some(Arc::new(files::left_out(&other, error))),
            }
        }
        Ok(model)
    }

    /// As [`TranslationModel::from_file`] without a way back from a file beside.
    ///
    /// # Errors
    /// As there.
    pub fn from_file_alone(path: &Path) -> Result<TranslationModel, TaskError> {
        let id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut networks = TwoWay::of(zoo::read_tensors(path)?);
        if !networks.named && files::direction(path) == Direction::BToA {
            networks.generators.swap(0, 1);
        }
        let alone = !networks.named;
        let mut model = TranslationModel::new(id, networks)?;
        if alone {
            let ways = model.ways.iter_mut().flatten();
            model.left_out = ways.filter_map(|way| files::join_judge_beside(way, path)).next().map(Arc::new);
        }
        Ok(model)
    }

    fn new(id: String, networks: TwoWay) -> Result<TranslationModel, TaskError> {
        let domains = ["A", "B"].map(str::to_owned);
        let (ways, directions) = ([None, None], Vec::new());
        let mut model = TranslationModel { id, domains, longer_side: None, ways, directions, left_out: None };
        let directions = [Direction::AToB, Direction::BToA];
        for ((generator, judge), direction) in networks.generators.into_iter().zip(networks.judges).zip(directions) {
            let Some(generator) = generator else { continue };
            let mut way = Way::new(generator)?;
            judge.map(|judge| way.join_judge(judge)).transpose()?;
            model.join(way, direction);
        }
        Ok(model)
    }

    fn join(&mut self, way: Way, direction: Direction) {
        self.ways[direction.index()] = Some(way);
        self.directions.push(direction);
    }

    /// Joins the generator of another checkpoint as the way back.
    ///
    /// # Errors
    /// As [`TranslationModel::from_file`]; [`TaskError::TwoWay`] for a model that has a way back already.
    pub fn with_way_back(mut self, path: &Path) -> Result<TranslationModel, TaskError> {
        let [only] = self.directions[..] else {
            return Err(TaskError::TwoWay { model: self.id });
        };
        let missing = only.reversed();
        self.join(files::way(path, missing)?, missing);
        Ok(self)
    }

    /// A file that lies beside the checkpoint and belongs to it by its name, but cannot be used.
    pub fn left_out(&self) -> Option<&Arc<LeftOut>> {
        self.left_out.as_ref()
    }

    /// The model's id, or its file's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its two kinds of pictures are called: the card's words, in English; of a checkpoint "A" and "B".
    pub fn domains(&self) -> [&str; 2] {
        [&self.domains[0], &self.domains[1]]
    }

    /// The directions it has a generator for, the usual one first.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// Whether it has a discriminator for what this direction makes.
    pub fn has_judge(&self, direction: Direction) -> bool {
        self.ways[direction.index()].as_ref().is_some_and(Way::has_judge)
    }

    /// Whether [`Params::own_statistics`] makes a difference.
    pub fn has_batch_norm(&self) -> bool {
        self.ways.iter().flatten().any(Way::has_batch_norm)
    }

    /// The longer side that the networks see unless [`Params`] say otherwise; `None` is the picture's own.
    pub fn longer_side(&self) -> Option<u32> {
        self.longer_side
    }

    /// Translates `picture`. What is transparent shows the mean of the visible pixels through.
    ///
    /// Memory stays bounded: large pictures go through ResNet generators in tiles, with norms measured once on a smaller copy
    /// of the whole, so that no seams show. A U-Net sees the whole picture from every pixel; what is too large for it (more
    /// than 13 megapixels with 16 channels, 3.8 with the paper's 64) it sees scaled down, and the result is scaled up again.
    ///
    /// Between two generators the picture has 16 bits, whatever the input has: a cycle's error is not that of rounding.
    ///
    /// # Errors
    /// [`TaskError::OneWay`] for a direction the model has no generator for, [`TaskError::Cancelled`] within 0.3 s of being
    /// cancelled, [`TaskError::NotFinite`] in place of a black picture, [`TaskError::Imaging`] and [`TaskError::Network`]
    /// for what fails below.
    pub fn run(&self, picture: &Picture, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        let began = Instant::now();
        let watch = &watch.part(0.0, 1.0).with_precision(params.precision);
        watch.step(0.0)?;
        let direction = params.direction;
        let there = self.ways[direction.index()].as_ref().ok_or_else(|| self.one_way(direction))?;
        let back = self.ways[direction.reversed().index()].as_ref().filter(|_| params.cycle);
        let judge = there.judge().filter(|_| params.judged);
        let there = there.maker(params.own_statistics)?;
        let back = back.map(|way| way.maker(params.own_statistics)).transpose()?;

        let seen = match params.longer_side.or(self.longer_side) {
            Some(side) => scaled(picture, scaled_size(picture.size(), side.max(1)), watch)?,
            None => picture.clone(),
        };
        let of_back = back.as_ref().map_or(Ok(0.0), |back| back.work(seen.size()))?;
        let of_judge = judge.as_ref().map_or(Ok(0.0), |judge| judge.work(seen.size()))?;
        let stretches = stretches(watch, [there.work(seen.size())?, of_judge, of_back, of_back]);
        let pool = Pool::default();

        let made = there.make(&seen, &stretches[0], &pool)?;
        let verdict =
            judge.map(|judge| judge.look([&seen, &made], picture.size(), &stretches[1], &pool)).transpose()?;
        let cycle = match back {
            Some(back) => {
                let (again, error) = compared(back.make(&made, &stretches[2], &pool)?, picture, watch)?;
                let (same, same_error) = compared(back.make(&seen, &stretches[3], &pool)?, picture, watch)?;
                Some(Cycle { back: again, error, same, same_error })
            }
            None => None,
        };
        let translated = as_deep(scaled(&made, picture.size(), watch)?, picture)?;
        watch.step(1.0)?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Outcome { model: self.id.clone(), direction, translated, cycle, verdict, seconds })
    }

    fn one_way(&self, direction: Direction) -> TaskError {
        let [from, to] = [direction, direction.reversed()].map(|d| self.domains[d.index()].clone());
        TaskError::OneWay { model: self.id.clone(), from, to }
    }
}

/// Checks that a picture of the size `partner` can be the true partner of one of the size `photo`: that both have one
/// shape, to two per cent or a pixel.
///
/// # Errors
/// [`TaskError::PartnerShape`].
pub fn check_partner(photo: [u32; 2], partner: [u32; 2]) -> Result<(), TaskError> {
    let [width, height] = photo.map(f64::from);
    let scaled = f64::from(partner[1]) * width / f64::from(partner[0]).max(1.0);
    // Of what lies across the other way round.
    let off = (scaled - height).abs();
    if off <= (0.02 * height).max(1.0) { Ok(()) } else { Err(TaskError::PartnerShape { photo, partner }) }
}

/// How much of a run is the networks'; the rest is resizing and comparing.
const NETWORKS: f64 = 0.96;

/// The parts of `watch` for pieces of this much work, one after another.
fn stretches<'a, const N: usize>(watch: &'a Watch<'_>, work: [f64; N]) -> [Watch<'a>; N] {
    let total = work.iter().sum::<f64>().max(1.0);
    let mut done = 0.0;
    work.map(|work| {
        let from = done / total * NETWORKS;
        done += work;
        watch.part(from as f32, (done / total * NETWORKS) as f32)
    })
}

/// `made`, 16-bit, in 8 bit if `picture` is.
fn as_deep(made: Picture, picture: &Picture) -> Result<Arc<Picture>, ImagingError> {
    let [width, height] = made.size();
    let made = if picture.is_sixteen_bit() { made } else { Picture::from_rgba8(width, height, made.to_srgba8())? };
    Ok(Arc::new(made))
}

/// `made`, 16-bit, as large and deep as `picture`, and how far it is from it, not counting the rounding to 8 bit.
fn compared(made: Picture, picture: &Picture, watch: &Watch<'_>) -> Result<(Arc<Picture>, Map), TaskError> {
    let made = scaled(&made, picture.size(), watch)?;
    let error = Map::difference(picture, &made, picture);
    watch.check()?;
    Ok((as_deep(made, picture)?, error))
}
