//! What can be saved of a result, under which names, and as what.

use super::{State, ends_with, format_of};
use crate::app::App;
use crate::app::caption_look::CaptionView;
use crate::app::captioned::Told;
use crate::app::compose::{Composition, Over};
use crate::app::panels::beam_tree;
use crate::app::product::{Motion, Product};
use crate::app::session::Task;
use crate::app::translate_look::{Chart, Part};
use crate::tasks::segment::Area;

/// What of a result is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum What {
    /// The picture, as it is seen.
    #[default]
    Picture,
    /// A segmentation's labels.
    Labels,
    /// Its classes, one cut-out each.
    CutOuts,
    /// Its areas in numbers.
    Areas,
    /// A translation's way back.
    Back,
    /// How far that is from the picture.
    Error,
    /// What the discriminator says of the translation.
    Verdict,
    /// What the way back makes of the picture itself.
    Identity,
    /// A sentence's words with their maps.
    Sheet,
    /// A sentence being said.
    Gif,
    /// The same in all colours.
    Apng,
    /// A picture for each word.
    Maps,
    /// A sentence and its maps in numbers.
    Numbers,
    /// Its maps as an array.
    Values,
    /// The sentence itself.
    Sentence,
    /// The tree of the beam.
    Tree,
}

impl What {
    /// What there may be to save of a task's results.
    pub(super) fn of(task: Task) -> &'static [What] {
        match task {
            Task::Style => &[What::Picture],
            Task::Segment => &[What::Picture, What::Labels, What::CutOuts, What::Areas],
            Task::Translate => &[What::Picture, What::Back, What::Error, What::Verdict, What::Identity],
            Task::Caption => &[
                What::Picture,
                What::Sheet,
                What::Gif,
                What::Apng,
                What::Maps,
                What::Numbers,
                What::Values,
                What::Sentence,
                What::Tree,
            ],
        }
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            What::Picture => "export-what-picture",
            What::Labels => "export-what-labels",
            What::CutOuts => "export-what-cut-outs",
            What::Areas => "export-what-areas",
            What::Back => "export-what-back",
            What::Error => "export-what-error",
            What::Verdict => "export-what-verdict",
            What::Identity => "export-what-identity",
            What::Sheet => "export-what-sheet",
            What::Gif => "export-what-gif",
            What::Apng => "export-what-apng",
            What::Maps => "export-what-maps",
            What::Numbers => "export-what-numbers",
            What::Values => "export-what-values",
            What::Sentence => "export-what-sentence",
            What::Tree => "export-what-tree",
        }
    }

    /// What its file's name has before its ending.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            What::Picture => "",
            What::Labels => "-labels",
            What::CutOuts => "-cut-out",
            What::Areas => "-areas",
            What::Back => "-back",
            What::Error => "-error",
            What::Verdict => "-patches",
            What::Identity => "-identity",
            What::Sheet => "-sheet",
            What::Gif | What::Apng | What::Sentence => "",
            What::Maps => "-map",
            What::Numbers | What::Values => "-maps",
            What::Tree => "-beam",
        }
    }

    /// How its file's name ends, where that is not for the person to choose.
    pub(super) fn ending(self) -> Option<&'static str> {
        match self {
            What::Labels | What::CutOuts | What::Maps | What::Apng => Some("png"),
            What::Areas | What::Numbers => Some("json"),
            What::Gif => Some("gif"),
            What::Values => Some("npy"),
            What::Sentence => Some("txt"),
            What::Tree => Some("svg"),
            _ => None,
        }
    }

    /// It as a picture, where it is one and is there.
    pub(super) fn composition(self, app: &App) -> Option<Composition> {
        let outcome = || Some(app.studio.current()?.translation(&app.translation_asked()?)?.outcome.clone());
        let part = |part: Part| {
            let outcome = outcome()?;
            Some(Composition { original: part.of(&outcome)?.clone(), over: Over::Nothing })
        };
        let chart = |chart: Chart| {
            let outcome = outcome()?;
            chart.of(&outcome)?;
            Some(Composition { original: chart.part().of(&outcome)?.clone(), over: Over::Chart(outcome, chart) })
        };
        match self {
            What::Picture => app.seen(),
            What::Back => part(Part::Back),
            What::Identity => part(Part::Same),
            What::Error => chart(Chart::Error),
            What::Verdict => chart(Chart::Verdict),
            What::Sheet => {
                let (original, told) = (app.studio.current()?.picture.clone(), finished(app)?);
                let over = Over::Words(told, app.session.caption.drawing());
                Some(Composition { original, over }).filter(|_| finished(app).is_some_and(|told| told.attends()))
            }
            _ => None,
        }
    }

    /// What the dialog proposes at first.
    pub(super) fn first(app: &App) -> What {
        match finished(app).filter(|_| app.session.task == Task::Caption) {
            Some(_) if app.session.caption.view == CaptionView::Beam => What::Tree,
            // Its picture would be the photo as it is.
            Some(told) if !told.attends() => What::Sentence,
            _ => What::Picture,
        }
    }

    /// Whether it is a picture, whose format a person chooses.
    pub(super) fn is_picture(self) -> bool {
        self.ending().is_none()
    }

    /// Whether there is such a result, as far as that can be told.
    pub(super) fn is_there(self, app: &App) -> bool {
        match self {
            What::Maps | What::Values => finished(app).is_some_and(|told| told.attends()),
            What::Gif | What::Apng | What::Numbers | What::Sentence | What::Tree => finished(app).is_some(),
            _ => !self.is_picture() || self.composition(app).is_some(),
        }
    }

    /// The key of why there is none.
    pub(super) fn why_not(self, app: &App) -> &'static str {
        match self {
            What::Sheet | What::Maps | What::Values if finished(app).is_some() => "caption-no-attention",
            _ => "export-not-there",
        }
    }
}

/// The sentence that is shown, once it is that of the settings in force.
fn finished(app: &App) -> Option<Told> {
    let asked = app.caption_asked()?;
    app.studio.current()?.caption(&asked)?;
    app.told()
}

/// What the dialog would save now; `None` where the file's name tells no format, or there is no such result.
pub(super) fn product(app: &App, state: &State) -> Option<Product> {
    let asked = app.session.segment.asked();
    let e = app.studio.current()?;
    let s = e.segmentation(&asked);
    match state.what {
        // A name that promises another kind of file would be a trap.
        what if what.ending().is_some_and(|ending| !ends_with(&state.path, ending)) => None,
        What::Labels => s.map(|s| Product::Labels(s.outcome.clone())),
        What::Areas => s.map(|s| Product::Areas(s.outcome.clone(), s.classes.clone())),
        What::CutOuts => s.map(|s| {
            let shown = |a: &Area| {
                let name = s.classes.get(usize::from(a.class))?;
                app.session.segment.shows(name).then(|| (a.class, name.clone()))
            };
            Product::CutOuts(e.picture.clone(), s.outcome.clone(), s.outcome.areas.iter().filter_map(shown).collect())
        }),
        What::Gif | What::Apng => {
            let motion = if state.what == What::Gif { Motion::Gif } else { Motion::Apng };
            let look = &app.session.caption;
            Some(Product::Animation(e.picture.clone(), finished(app)?, look.drawing(), look.speed, motion))
        }
        What::Maps => {
            let told = finished(app).filter(|told| told.attends())?;
            Some(Product::Maps(e.picture.clone(), told, app.session.caption.drawing()))
        }
        What::Numbers => finished(app).map(Product::Numbers),
        What::Values => finished(app).filter(|told| told.attends()).map(Product::Values),
        What::Sentence => Product::sentence(&finished(app)?),
        What::Tree => finished(app).map(|told| Product::Text(beam_tree::svg(&told, &app.words))),
        picture => {
            Some(Product::Picture(picture.composition(app)?, format_of(&state.path, app.session.export.quality)?))
        }
    }
}
