//! The views of a translation that have several pictures: which, in which order, and what is said of each. The canvas and
//! an exported sheet show the same.

use std::path::PathBuf;
use std::sync::Arc;

use super::App;
use super::caption_look::Against;
use super::captioned::{Step, Told};
use super::entry::Entry;
use super::translate_look::{Asked, Chart, Facts, Model, Part, TranslateView};
use super::translated::Translated;
use crate::gpu::attention;
use crate::gpu::overlay::{self, ScalarMap};
use crate::gpu::sheet::{self, Sheet};
use crate::imaging::{ImagingError, Picture};
use crate::tasks::translate::{Direction, Outcome, models};

/// One picture of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Pane {
    /// What is in it.
    pub shows: Shows,
    /// Its name, in words and as a formula.
    pub title: String,
    /// A number or a name that belongs to it; often empty.
    pub note: String,
    /// What lies over it.
    pub chart: Option<Chart>,
}

/// What a pane shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Shows {
    /// The picture itself.
    Original,
    /// A picture of the translation that was made for this.
    Part(Asked, Part),
    /// The true partner.
    Partner,
    /// Nothing yet: it is being made.
    Waiting,
    /// Nothing, for the making was cancelled or failed; in words.
    Missing(String),
    /// Nothing, for there cannot be anything, and why.
    Nothing(String),
}

/// The columns of a grid of `count` pictures of size `picture` that makes them as large as `area` allows, or nearly so where
/// that leaves fewer holes or longer rows; each has something `around` it.
pub fn columns(count: usize, picture: [f32; 2], area: [f32; 2], around: [f32; 2]) -> usize {
    const NEARLY: f32 = 0.9;
    let zoom = |columns: usize| {
        let parts = [columns, count.div_ceil(columns)];
        let fits = |i: usize| (area[i] / parts[i] as f32 - around[i]).max(1.0) / picture[i];
        fits(0).min(fits(1))
    };
    let holes = |columns: usize| count.div_ceil(columns) * columns - count;
    let largest = (1..=count).map(zoom).fold(0.0, f32::max);
    let large = (1..=count).filter(|columns| zoom(*columns) >= largest * NEARLY);
    large.min_by_key(|columns| (holes(*columns), count - columns)).unwrap_or(1)
}

/// The pictures of a view on one sheet, at their full size.
#[derive(Clone, Debug)]
pub struct Panes(Vec<Cell>);

#[derive(Clone, Debug)]
struct Cell {
    picture: Arc<Picture>,
    map: Option<Map>,
    title: String,
    note: String,
}

/// What lies over a picture of a sheet.
#[derive(Clone, Debug)]
enum Map {
    Chart(Arc<Outcome>, Chart),
    Attention(Told, Step, attention::Look),
}

impl Panes {
    /// Rows without holes, as near to three by two as that allows.
    fn columns(&self, picture: [u32; 2]) -> u32 {
        let [width, height] = sheet::cell(picture, 1.0).map(|side| side as f32);
        let count = self.0.len();
        let zoom = |columns: usize| (1.5 / (columns as f32 * width)).min(columns as f32 / (count as f32 * height));
        let full = (1..=count).filter(|columns| count.is_multiple_of(*columns));
        full.max_by(|a, b| zoom(*a).total_cmp(&zoom(*b))).unwrap_or(1) as u32
    }

    /// Of the letters and gaps: with the longer side, but of thin pictures no more than the shorter side can bear.
    fn scale([width, height]: [u32; 2]) -> f32 {
        (width.max(height) as f32 / 480.0).min(width.min(height) as f32 / 120.0).max(1.0)
    }

    /// Width and height of the sheet.
    pub fn size(&self, picture: [u32; 2]) -> [u32; 2] {
        sheet::size(picture, Self::scale(picture), self.0.len(), self.columns(picture))
    }

    /// The sheet; its pictures are of size `picture`.
    ///
    /// # Errors
    /// Those of [`overlay::export_scalar`], and of a sheet too large to be one.
    pub fn compose(&self, picture: [u32; 2]) -> Result<Picture, ImagingError> {
        let mut sheet = Sheet::new(picture, Self::scale(picture), self.0.len(), self.columns(picture))?;
        for (i, cell) in self.0.iter().enumerate() {
            let tinted = match &cell.map {
                Some(Map::Chart(outcome, chart)) => tinted(&cell.picture, outcome, *chart)?,
                Some(Map::Attention(told, step, look)) => attended(&cell.picture, told, *step, look)?,
                None => (*cell.picture).clone(),
            };
            sheet.paste(i, &tinted, &cell.title, &cell.note);
        }
        sheet.finish()
    }
}

/// A picture of a translation under a map of it.
///
/// # Errors
/// Those of [`overlay::export_scalar`].
pub fn tinted(picture: &Picture, outcome: &Outcome, chart: Chart) -> Result<Picture, ImagingError> {
    match chart.of(outcome) {
        Some(map) => overlay::export_scalar(picture, &ScalarMap { size: map.size, values: &map.values }, &chart.tint()),
        None => Ok(picture.clone()),
    }
}

/// A picture under a map of a sentence; without a map as it is.
///
/// # Errors
/// Those of [`attention::map`].
pub fn attended(picture: &Picture, told: &Told, step: Step, look: &attention::Look) -> Result<Picture, ImagingError> {
    let (Some(values), Some(sentence)) = (told.values(step), told.sentence()) else { return Ok(picture.clone()) };
    let grid = told.outcome.grid;
    let range = match step {
        Step::Sum => attention::sum_range(sentence, grid),
        _ => attention::range(&values, sentence, grid, look.scale),
    };
    attention::map(picture, grid, &values, look, range)
}

/// A mean over red, green and blue, 0..=1, in steps of 255.
pub fn steps(mean: f64) -> String {
    format!("{:.1}", mean * 255.0)
}

impl App {
    /// What a model's two kinds of pictures are called in the window's language.
    pub fn domains(&self, model: &Model) -> [String; 2] {
        let card = || models().into_iter().find(|m| m.id == model.id).map(|m| m.domains.clone());
        let known = self.studio.facts(model).map(|f| f.domains.to_vec()).or_else(card).unwrap_or_default();
        let of =
            |i: usize, letter: &str| known.get(i).map_or_else(|| letter.to_owned(), |name| self.words.domain(name));
        [of(0, "A"), of(1, "B")]
    }

    /// "photo → anime".
    pub fn way(&self, model: &Model, direction: Direction) -> String {
        let [from, to] = from_to(self.domains(model), direction);
        self.words.with("translate-way", [("from", from), ("to", to)])
    }

    /// The panes of the view that is chosen; none where it is that of the result alone. With `exact`, results that were
    /// made for other settings do not stand in for those that are still to come.
    pub fn panes(&self, e: &Entry, exact: bool) -> Vec<Pane> {
        let look = &self.session.translate;
        let Some(asked) = self.translation_asked() else { return Vec::new() };
        match look.view {
            TranslateView::Result => Vec::new(),
            TranslateView::Cycle => self.cycle(e, &asked, exact),
            TranslateView::Beside => self.beside(e, &asked, exact),
        }
    }

    fn cycle(&self, e: &Entry, asked: &Asked, exact: bool) -> Vec<Pane> {
        let look = &self.session.translate;
        let [from, to] = from_to(self.domains(&asked.model), asked.params.direction);
        let letters = match asked.params.direction {
            Direction::AToB => ["X", "G(X)", "F(G(X))", "F(X)"],
            Direction::BToA => ["Y", "F(Y)", "G(F(Y))", "G(Y)"],
        };
        let t = if exact { e.translation(asked) } else { e.translation_by(asked) };
        let one_way = self.studio.facts(&asked.model).is_some_and(|facts| !facts.goes_back());
        let mapped = look.error && !one_way;
        let part = |part: Part, chart: Option<Chart>, title: &str, domain: &str, letter: &str| {
            let made = t.filter(|t| part.of(&t.outcome).is_some());
            let shows = match made {
                Some(t) => Shows::Part(t.asked.clone(), part),
                None if one_way && part != Part::Result => Shows::Nothing(self.words.get("translate-one-way")),
                None => self.absent(e, asked),
            };
            let title = self.words.with(title, [("formula", letter), ("domain", domain)]);
            // How far off it is stands beside the map of that, where there is one.
            let elsewhere = mapped && chart.is_none() && part != Part::Result;
            let note = made.filter(|_| !elsewhere).map(|t| self.note(t, part)).unwrap_or_default();
            let chart = chart.filter(|chart| made.is_some_and(|t| chart.of(&t.outcome).is_some()));
            Pane { shows, title, note, chart }
        };
        let original = self.words.with("pane-original", [("formula", letters[0]), ("domain", &from)]);
        let error = |of: Part, chart: Chart, letter: &str| {
            let formula = format!("|{letter} − {}|", letters[0]);
            mapped.then(|| part(of, Some(chart), "pane-error", "", &formula))
        };
        let mut panes = vec![
            Pane { shows: Shows::Original, title: original, note: String::new(), chart: None },
            part(Part::Result, look.judged.then_some(Chart::Verdict), "pane-result", &to, letters[1]),
            part(Part::Back, None, "pane-back", &from, letters[2]),
        ];
        panes.extend(error(Part::Back, Chart::Error, letters[2]));
        if look.identity {
            panes.push(part(Part::Same, None, "pane-same", &from, letters[3]));
            panes.extend(error(Part::Same, Chart::SameError, letters[3]));
        }
        panes
    }

    /// What the numbers say of a part.
    fn note(&self, t: &Translated, part: Part) -> String {
        match (part, &t.outcome.cycle) {
            (Part::Result, _) => {
                let verdict = t.outcome.verdict.as_ref().filter(|_| self.session.translate.judged);
                let score = |mean: f64| self.words.with("note-verdict", [("mean", format!("{mean:.2}"))]);
                joined([verdict.map(|verdict| score(verdict.mean)), self.statistics(&t.asked)])
            }
            (Part::Back, Some(cycle)) => self.words.with("note-error", [("mean", steps(cycle.error.mean))]),
            (Part::Same, Some(cycle)) => self.words.with("note-error", [("mean", steps(cycle.same_error.mean))]),
            _ => String::new(),
        }
    }

    /// Which statistics a result's batch norms took; `None` where there are no such layers.
    pub fn statistics(&self, asked: &Asked) -> Option<String> {
        let key = if asked.params.own_statistics { "note-own-statistics" } else { "note-kept-statistics" };
        self.studio.facts(&asked.model).filter(|facts| facts.batch_norm).map(|_| self.words.get(key))
    }

    /// What stands for a picture that is not there: that it is on its way, or that it was given up.
    fn absent(&self, e: &Entry, asked: &Asked) -> Shows {
        let studio = &self.studio;
        let not_asked_yet = match studio.facts(&asked.model) {
            Some(_) => !self.asked_translations.iter().any(|(id, a)| (*id, a) == (e.id, asked)),
            None => !studio.met.contains_key(&asked.model),
        };
        match studio.requested(e.id, asked) || studio.meeting(&asked.model) || not_asked_yet {
            true => Shows::Waiting,
            false => Shows::Missing(self.words.get("translate-none")),
        }
    }

    fn beside(&self, e: &Entry, asked: &Asked, exact: bool) -> Vec<Pane> {
        let [from, _] = from_to(self.domains(&asked.model), asked.params.direction);
        let direction = asked.params.direction;
        let letter = if direction == Direction::AToB { "X" } else { "Y" };
        let original = self.words.with("pane-original", [("formula", letter), ("domain", &from)]);
        // What the other way ought to give is no measure of this one. Which way a model of one way goes its file seldom tells.
        let both_ways = self.studio.facts(&asked.model).is_some_and(Facts::goes_back);
        let partner = e.partner().filter(|partner| !both_ways || partner.of.is_none_or(|of| of == direction));
        let mut panes = vec![Pane { shows: Shows::Original, title: original, note: String::new(), chart: None }];
        let result = |asked: &Asked| {
            let t: Option<&Translated> = if exact { e.translation(asked) } else { e.translation_by(asked) };
            let unable =
                self.studio.facts(&asked.model).is_some_and(|f| !f.directions.contains(&asked.params.direction));
            let shows = match t {
                Some(t) => Shows::Part(t.asked.clone(), Part::Result),
                None if unable => Shows::Nothing(self.words.get("translate-other-way")),
                None => self.absent(e, asked),
            };
            let l1 = t.filter(|_| partner.is_some()).and_then(|t| t.l1);
            let l1 = l1.map(|l1| self.words.with("note-l1", [("mean", steps(l1))]));
            let note = joined([l1, t.and_then(|t| self.statistics(&t.asked))]);
            Pane { shows, title: self.model_name(&asked.model.id), note, chart: None }
        };
        panes.push(result(asked));
        panes.push(match self.translation_beside() {
            Some(other) => result(&other),
            None => Pane {
                shows: Shows::Nothing(self.words.get("translate-no-other")),
                title: self.words.get("translate-other"),
                note: String::new(),
                chart: None,
            },
        });
        if let Some(partner) = partner {
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let title = self.words.get("pane-partner");
            panes.push(Pane { shows: Shows::Partner, title, note: name(&partner.path), chart: None });
        }
        panes
    }

    /// The panes as a sheet; `None` until all that there can be are there.
    pub(super) fn sheet(&self, e: &Entry) -> Option<Panes> {
        e.translation(&self.translation_asked()?)?;
        let panes = self.panes(e, true);
        if panes.iter().any(|pane| matches!(pane.shows, Shows::Waiting | Shows::Missing(_))) {
            return None;
        }
        let cell = |pane: Pane| {
            let made = |asked: &Asked| e.translated.iter().find(|t| t.asked == *asked);
            let (picture, outcome) = match &pane.shows {
                Shows::Original => (e.picture.clone(), None),
                Shows::Partner => (e.partner()?.picture.clone(), None),
                Shows::Part(asked, part) => {
                    let outcome = made(asked)?.outcome.clone();
                    (part.of(&outcome)?.clone(), Some(outcome))
                }
                Shows::Waiting | Shows::Missing(_) | Shows::Nothing(_) => return None,
            };
            let map = outcome.zip(pane.chart).map(|(outcome, chart)| Map::Chart(outcome, chart));
            Some(Cell { picture, map, title: pane.title, note: pane.note })
        };
        Some(Panes(panes.into_iter().filter_map(cell).collect()))
    }
}

impl App {
    /// Two sentences about a picture as a sheet; `None` until both are there.
    pub(super) fn sentences(&self, e: &Entry, told: Told, step: Step) -> Option<Panes> {
        let look = &self.session.caption;
        let cell = |told: Told, name: String| {
            let sentence = told.sentence()?;
            let (title, note) = (sentence.text(), format!("{name} · {}", self.log_prob(sentence)));
            let map = Some(Map::Attention(told, step, look.drawing()));
            Some(Cell { picture: e.picture.clone(), map, title, note })
        };
        let (beside, name) = match look.against {
            Against::Greedy => (e.caption(&look.asked(e.id))?.greedy(), self.words.get("caption-greedy")),
            _ => {
                let asked = look.asked_beside(e.id)?;
                (e.caption(&asked)?.told(Default::default()), self.model_name(&asked.model))
            }
        };
        Some(Panes(vec![cell(told, self.model_name(&look.model))?, cell(beside, name)?]))
    }
}

fn joined(notes: [Option<String>; 2]) -> String {
    notes.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Two things of A and B in the order in which a direction goes through them.
pub fn from_to<T>([a, b]: [T; 2], direction: Direction) -> [T; 2] {
    match direction {
        Direction::AToB => [a, b],
        Direction::BToA => [b, a],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_of_thin_pictures_is_not_much_larger_than_they_are() {
        let cell = || Cell {
            picture: Arc::new(Picture::from_rgba8(1, 1, vec![0; 4]).unwrap_or_else(|_| unreachable!())),
            map: None,
            title: String::new(),
            note: String::new(),
        };
        for size in [[65_535, 1], [1, 65_535], [30_000, 20], [4000, 3000]] {
            let [width, height] = Panes(vec![cell(); 4]).size(size).map(u64::from);
            // Letters and gaps take what 17 x 61 pixels around each picture take, or a third of a large picture more.
            let [w, h] = size.map(u64::from);
            let most = 4 * ((w + 32) * (h + 80)).max(w * h * 4 / 3);
            assert!(width * height <= most, "{size:?}: {width} x {height}");
        }
        assert_eq!((Panes::scale([960, 480]), Panes::scale([960, 60]), Panes::scale([160, 120])), (2.0, 1.0, 1.0));
    }

    #[test]
    fn panes_lie_as_makes_them_largest() {
        let bare = [0.0; 2];
        // Tall pictures stand beside each other, wide ones above each other; a square of four.
        assert_eq!(columns(3, [3.0, 4.0], [1000.0, 450.0], bare), 3);
        assert_eq!(columns(3, [4.0, 1.0], [600.0, 600.0], bare), 1);
        assert_eq!(columns(4, [4.0, 3.0], [900.0, 600.0], bare), 2);
        assert_eq!(columns(1, [4.0, 3.0], [900.0, 600.0], bare), 1);
        // What is written above each row may make the row the better one.
        assert_eq!(
            (columns(3, [4.0, 3.0], [900.0, 550.0], bare), columns(3, [4.0, 3.0], [900.0, 550.0], [0.0, 60.0])),
            (2, 3)
        );
    }
}
