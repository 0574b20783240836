//! Semantic segmentation: what each pixel of a picture shows, by one of several networks.

mod areas;
mod refine;
mod scores;

use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{TaskError, scaled};
use crate::imaging::{self, Picture, Samples};
use crate::models::{Segmenter, Tally};
use crate::nn::{self, Error, Pass, Pool, Precision, Watch};
use crate::zoo::{self, Card};

pub use areas::Area;
pub use refine::Refine;
use refine::{REFINED, refined};
pub use scores::{MAX_CLASSES, NO_LABEL, Scores};

/// The classes of Pascal VOC (Everingham et al. 2010), as torchvision and TensorFlow DeepLab number them.
pub const VOC: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// The classes of CamVid (Brostow et al. 2009) in the order of SegNet's split.
pub const CAMVID: [&str; 11] =
    ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"];

/// A network never sees a picture enlarged more than this.
const MOST_ENLARGED: f64 = 4.0;

/// The most pixels that a network sees, whatever it is asked for; wide ones see fewer.
const MOST_PIXELS: f64 = 8e6;

/// What a person chose, but for the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// The network sees as many pixels as a 4:3 picture of this longer side has; `None` is what it was trained on.
    /// Larger finds smaller things, and takes large ones to pieces.
    pub longer_side: Option<u32>,
    /// The network sees the picture's mirror image too, and the mean of both answers counts; `None` is as the model's card
    /// says. Twice the time, somewhat better.
    pub twice: Option<bool>,
    /// Labels follow the picture's edges.
    pub refine: Option<Refine>,
    /// How exactly the network computes.
    pub precision: Precision,
}

/// A picture taken apart.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The id (or the file's name) of the model.
    pub model: String,
    /// Width and height of the picture, pixels.
    pub size: [u32; 2],
    /// The class of each pixel, from the top, `width * height` of them.
    pub labels: Vec<u8>,
    /// Why: what the network (and the refinement) said.
    pub scores: Scores,
    /// The classes that are there, the largest first.
    pub areas: Vec<Area>,
    /// Time in the network and the refinement.
    pub seconds: f64,
}

/// What was found, in names and numbers: what is written as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// As [`Outcome::model`].
    pub model: String,
    /// Of the picture, in pixels.
    pub width: u32,
    /// Of the picture, in pixels.
    pub height: u32,
    /// The largest first.
    pub classes: Vec<ClassFound>,
    /// As [`Outcome::seconds`].
    pub seconds: f64,
}

/// A class that is in a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFound {
    /// Its label.
    pub id: u8,
    /// What it is called.
    pub name: String,
    /// How many pixels are of it.
    pub pixels: u64,
    /// Those over all the picture's, 0..=1.
    pub share: f64,
}

impl Summary {
    /// Of an outcome; `classes` are the model's.
    pub fn new(outcome: &Outcome, classes: &[String]) -> Summary {
        let found = |a: &Area| {
            let name = classes.get(usize::from(a.class)).cloned().unwrap_or_default();
            ClassFound { id: a.class, name, pixels: a.pixels, share: a.share }
        };
        let [width, height] = outcome.size;
        let classes = outcome.areas.iter().map(found).collect();
        Summary { model: outcome.model.clone(), width, height, classes, seconds: outcome.seconds }
    }
}

/// A model that ships with the program.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// What it is asked for by.
    pub id: &'static str,
    /// The card of the network.
    pub card: &'static Card,
    /// Which of the network's forms it is; `None` is the finest.
    form: Option<usize>,
}

/// The models that ship with the program, in the order they are shown; the first is what a person begins with.
pub fn models() -> Vec<Choice> {
    let forms = |card: &'static Card| {
        // From the finest to the coarsest.
        let coarser = card.forms.iter().enumerate().rev().map(|(i, id)| (id, Some(i)));
        [(&card.id, None)].into_iter().chain(coarser).map(move |(id, form)| Choice { id, card, form })
    };
    zoo::models_for(zoo::Task::Segment).flat_map(forms).collect()
}

/// A segmentation network, loaded. Shared between threads freely; each run has its own memory.
#[derive(Debug)]
pub struct SegmentationModel {
    id: String,
    network: Box<dyn Segmenter>,
    classes: Vec<String>,
    longer_side: u32,
    /// See [`Params::twice`].
    twice: bool,
    /// Which of the network's forms is asked; `None` is the finest.
    form: Option<usize>,
}

/// The longer side of a 4:3 picture at which a network works whose card does not say: torchvision resizes the shorter one
/// to 520 for its own.
const USUAL_SIDE: u32 = 693;

impl SegmentationModel {
    /// Loads the model of this id, or the checkpoint at this path.
    ///
    /// # Errors
    /// As [`SegmentationModel::load`] and [`SegmentationModel::from_file`].
    pub fn named(model: &str) -> Result<SegmentationModel, TaskError> {
        match models().iter().any(|choice| choice.id == model) || zoo::imported_model(model).is_some() {
            true => SegmentationModel::load(model),
            false => SegmentationModel::from_file(Path::new(model)),
        }
    }

    /// Loads a model that ships with the program, or was added to it, by its id.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for an unknown id, or weights that are missing or damaged.
    pub fn load(id: &str) -> Result<SegmentationModel, TaskError> {
        if let Some((card, weights)) = zoo::imported_model(id) {
            return Ok(SegmentationModel::from_file(&weights)?.with_card(card));
        }
        let all = models();
        let found = all.iter().find(|choice| choice.id == id);
        let Choice { card, form, .. } = *found.ok_or_else(|| zoo::ZooError::UnknownModel {
            id: id.to_owned(),
            known: all.iter().map(|choice| choice.id).collect::<Vec<_>>().join(", "),
        })?;
        let (_, network) = zoo::segmenter(zoo::tensors(&card.id)?)?;
        let damaged = |reason| TaskError::from(zoo::ZooError::Damaged { name: id.to_owned(), reason });
        if card.classes.len() != network.classes() {
            let (named, made) = (card.classes.len(), network.classes());
            return Err(damaged(format!("its card names {named} classes, its weights have {made}")));
        }
        if card.forms.len() > network.forms().len().saturating_sub(1) {
            return Err(damaged(format!("its card names {} forms, its network has none", card.forms.len())));
        }
        let (longer_side, twice) = (card.longer_side.unwrap_or(USUAL_SIDE), card.looks_twice);
        Ok(SegmentationModel { id: id.to_owned(), network, classes: card.classes.clone(), longer_side, twice, form })
    }

    /// Loads a checkpoint of a network that [`zoo::recognise`] knows: torchvision's, Pytorch-UNet's, or Lucida's own.
    ///
    /// # Errors
    /// [`TaskError::Zoo`] for a file that is no checkpoint or of another network, naming the first tensor that is
    /// missing; [`TaskError::Network`] for one of more classes than labels can tell apart, or of pictures that are
    /// neither grey nor RGB.
    pub fn from_file(path: &Path) -> Result<SegmentationModel, TaskError> {
        let (_, network) = zoo::segmenter(zoo::read_tensors(path)?)?;
        let (classes, channels) = (network.classes(), network.channels());
        if classes == 0 || classes > MAX_CLASSES {
            return Err(
                Error::Shape(format!("it tells {classes} classes apart; 1 to {MAX_CLASSES} can be shown")).into()
            );
        }
        if channels != 1 && channels != 3 {
            return Err(
                Error::Shape(format!("its pictures have {channels} channels; there are grey ones and RGB")).into()
            );
        }
        let id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let classes = class_names(classes);
        Ok(SegmentationModel { id, network, classes, longer_side: USUAL_SIDE, twice: false, form: None })
    }

    /// Called as an added model's card says; its classes too, where it names them.
    fn with_card(self, card: Card) -> SegmentationModel {
        let classes = if card.classes.len() == self.classes.len() { card.classes } else { self.classes };
        let longer_side = card.longer_side.unwrap_or(self.longer_side);
        SegmentationModel { id: card.id, classes, longer_side, ..self }
    }

    /// The model's id, or its file's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its classes are called, in the order of their labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The longer side, in pixels, of a 4:3 picture of the size the network works at unless [`Params`] say otherwise.
    pub fn longer_side(&self) -> u32 {
        self.longer_side
    }

    /// Whether the network sees a picture's mirror image too.
    fn looks_twice(&self, params: &Params) -> bool {
        params.twice.unwrap_or(self.twice)
    }

    /// Gives each pixel of `picture` a class; fully transparent ones get [`NO_LABEL`]. The network sees the picture scaled to its own size, and its scores are
    /// interpolated, so borders are smooth at any size, and 12 megapixels cost little more than one.
    ///
    /// # Errors
    /// [`TaskError::Cancelled`] within 0.3 s of being cancelled, [`TaskError::NotFinite`] for scores that are no numbers,
    /// [`TaskError::Network`] for a network too wide to run at all, and for what fails below.
    pub fn run(&self, picture: &Picture, params: &Params, watch: &Watch<'_>) -> Result<Outcome, TaskError> {
        let began = Instant::now();
        let watch = &watch.part(0.0, 1.0).with_precision(params.precision);
        watch.step(0.0)?;
        let [width, height] = self.working_size(picture.size(), params, Tally::MOST_NUMBERS)?;
        let seen = scaled(picture, [width as u32, height as u32], watch)?;
        let network_share = if params.refine.is_some() { 0.4 } else { 0.95 };
        let mut scores = match self.looks_twice(params) {
            false => self.scores(&seen, false, &watch.part(0.0, network_share))?,
            true => {
                let half = network_share / 2.0;
                let scores = self.scores(&seen, false, &watch.part(0.0, half))?;
                scores.with_mirrored(&self.scores(&seen, true, &watch.part(half, network_share))?)
            }
        };
        if !scores.is_finite() {
            return Err(TaskError::NotFinite);
        }
        if let Some(refine) = params.refine {
            scores = refined(&scores, &seen, &refine, &watch.part(network_share, 0.95))?;
        }
        let size = picture.size();
        let mut labels = scores.labels(size.map(|side| side as usize), watch.token())?;
        hide_transparent(picture, &mut labels);
        let areas = areas::areas(&labels, size[0] as usize);
        watch.step(1.0)?;
        Ok(Outcome { model: self.id.clone(), size, labels, scores, areas, seconds: began.elapsed().as_secs_f64() })
    }

    /// The width and height at which the network sees a picture: smaller than asked for where that would take more than
    /// `most` numbers.
    fn working_size(&self, size: [u32; 2], params: &Params, most: f64) -> nn::Result<[usize; 2]> {
        let [width, height] = size.map(f64::from);
        let longer_side = f64::from(params.longer_side.unwrap_or(self.longer_side));
        let mut wanted = (longer_side.powi(2) * 0.75).clamp(1.0, MOST_PIXELS);
        let least = self.network.smallest().max(1);
        loop {
            let scale = (wanted / (width * height)).sqrt().min(MOST_ENLARGED);
            let seen = [width, height].map(|side| self.network.suited(((side * scale).round() as usize).max(least)));
            let numbers = self.numbers(seen, params)?;
            if numbers <= most {
                return Ok(seen);
            }
            if seen == [least; 2] {
                let reason =
                    format!("the network is too wide to run on {least} x {least} pixels, its smallest picture");
                return Err(Error::Shape(reason));
            }
            wanted *= (most / numbers).min(0.9);
        }
    }

    /// About how many numbers are held at once for a picture that the network sees at this width and height.
    fn numbers(&self, [width, height]: [usize; 2], params: &Params) -> nn::Result<f64> {
        let tally = self.network.count([1, self.network.channels(), height, width])?;
        let refined = params.refine.map_or(0, |_| REFINED[0] * self.classes.len() + REFINED[1]);
        // The first answer waits for the second one.
        let waiting = if self.looks_twice(params) { tally.shape.iter().product() } else { 0 };
        Ok((tally.most + waiting as f64).max((width * height * refined) as f64))
    }

    /// What the network says of a picture, or of its mirror image.
    fn scores(&self, seen: &Picture, mirrored: bool, watch: &Watch<'_>) -> Result<Scores, TaskError> {
        let [width, height] = seen.size().map(|side| side as usize);
        let shape = [1, self.network.channels(), height, width];
        let mut pass = Pass::new(&Pool::default(), watch, self.network.flops(shape)?);
        let mut planes = self.prepared(seen);
        if mirrored {
            planes.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
        let x = pass.enter(&Tensor::from_vec(planes, &shape, &Device::Cpu)?)?;
        let logits = match self.form {
            None => self.network.logits(x, &mut pass)?,
            Some(form) => self.network.all_logits(x, &mut pass)?.swap_remove(form),
        };
        drop(pass);
        let [_, classes, rows, columns] = logits.shape();
        let mut values = logits.into_vec()?;
        if classes == 1 {
            // One logit tells a thing from the background, whose own is 0.
            values.splice(0..0, std::iter::repeat_n(0.0, rows * columns));
        }
        Ok(Scores::new(values, [classes.max(2), rows, columns], self.network.align_corners())?)
    }

    /// `[channels, height, width]`, normalised as the network was trained.
    fn prepared(&self, seen: &Picture) -> Vec<f32> {
        let mut planes = seen.to_planar_rgb();
        let plane = seen.pixels() as usize;
        if self.network.channels() == 1 {
            planes = (0..plane).map(|i| imaging::grey([0, 1, 2].map(|c| planes[c * plane + i]))).collect();
        }
        self.network.normalisation().apply(&mut planes, plane);
        planes
    }
}

/// What nobody can see shows nothing.
fn hide_transparent(picture: &Picture, labels: &mut [u8]) {
    if !picture.has_alpha() {
        return;
    }
    match picture.samples() {
        Samples::Eight(v) => hide(labels, v),
        Samples::Sixteen(v) => hide(labels, v),
    }
    fn hide<T: Copy + Into<u32>>(labels: &mut [u8], rgba: &[T]) {
        for (label, pixel) in labels.iter_mut().zip(rgba.chunks_exact(4)) {
            if pixel[3].into() == 0 {
                *label = NO_LABEL;
            }
        }
    }
}

/// Names for the classes of a checkpoint that names none: those of the data such networks are trained on.
fn class_names(count: usize) -> Vec<String> {
    let numbered = |i| format!("class {i}");
    match count {
        21 => VOC.map(str::to_owned).into(),
        11 => CAMVID.map(str::to_owned).into(),
        1 | 2 => ["background", "foreground"].map(str::to_owned).into(),
        count => (0..count).map(numbered).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::{Unet, random, unet};

    fn model(config: unet::Config) -> SegmentationModel {
        let network = Box::new(Unet::new(config, random::weights()).unwrap());
        SegmentationModel {
            id: "unet".into(),
            classes: class_names(3),
            network,
            longer_side: USUAL_SIDE,
            twice: false,
            form: None,
        }
    }

    #[test]
    fn a_wide_network_sees_less() {
        let asked = Params { longer_side: Some(3000), ..Params::default() };
        let size = |config: unet::Config, params: &Params| {
            model(config).working_size([4000, 3000], params, Tally::MOST_NUMBERS).unwrap()
        };
        assert_eq!(size(unet::Config::new(4, true, 3), &asked), [3000, 2250]);
        let mut config = unet::Config::new(4, true, 3);
        config.down[0] = [2000, 4];
        let [wide, refined] = [None, Some(Refine::default())].map(|refine| {
            let params = Params { refine, ..asked.clone() };
            let [width, height] = size(config.clone(), &params);
            assert!((width as f64 / height as f64 - 4.0 / 3.0).abs() < 0.02, "{width} x {height}");
            (width * height) as f64
        });
        // Two thousand channels and those before or after them.
        assert!((0.8..=1.0).contains(&(wide * 2004.0 / Tally::MOST_NUMBERS)), "{wide}");
        assert_eq!(wide, refined);
    }

    #[test]
    fn the_networks_of_streets_see_sides_that_their_strides_divide() {
        for (id, apart) in [("fcn-8s-camvid", 32), ("deeplabv3plus-camvid", 16)] {
            let model = SegmentationModel::load(id).unwrap();
            for size in [[480, 360], [1000, 667], [667, 1000], [1920, 1080], [3001, 1999]] {
                let seen = model.working_size(size, &Params::default(), Tally::MOST_NUMBERS).unwrap();
                assert!(seen.iter().all(|side| side % apart == 0), "{id}: {size:?} as {seen:?}");
                let stretched = seen[0] as f64 / seen[1] as f64 * f64::from(size[1]) / f64::from(size[0]);
                assert!((0.95..1.05).contains(&stretched), "{id}: {size:?} as {seen:?}");
            }
            // Too small for that.
            let least = model.working_size([1, 1], &Params::default(), Tally::MOST_NUMBERS).unwrap();
            assert_eq!(least, [4, 4], "{id}");
        }
    }

    #[test]
    fn thin_pictures_and_the_least_of_networks_fit_too() {
        let model = model(unet::Config::new(4, true, 3));
        let working = |size: [u32; 2], most: f64| model.working_size(size, &Params::default(), most);
        for size in [[65_535, 1], [1, 65_535], [1, 1], [5000, 7]] {
            let [width, height] = working(size, 2e5).unwrap();
            let numbers = model.numbers([width, height], &Params::default()).unwrap();
            assert!(numbers <= 2e5 && width.min(height) >= 16, "{size:?}: {width} x {height}");
        }
        let refused = working([640, 480], 1000.0).unwrap_err();
        assert!(refused.to_string().contains("16 x 16"), "{refused}");
    }
}
