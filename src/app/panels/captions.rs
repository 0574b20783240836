//! The canvas of the caption task: the picture and where the network looked, with the sentence below.

use std::time::Duration;

use egui::{Align2, Color32, FontId, Key, Rect, Response, RichText, Sense, Ui, pos2, vec2};

use super::canvas::badge;
use super::panes::{lay, places};
use super::regions::{colour_bar, legend_box};
use super::sight::{loupe, navigate};
use super::{beam_tree, caption_bar, words_sheet};
use crate::app::App;
use crate::app::caption_look::{Against, Asked, CaptionView};
use crate::app::captioned::{Gaze, Step, Told};
use crate::app::entry::PictureId;
use crate::app::tasks::caption::percents;
use crate::app::theme;
use crate::gpu::{Colormap, Compare, Scene, View, paint};

/// What is left free around a fitted picture, in points.
const MARGIN: [f32; 2] = [12.0, 10.0];

/// A sentence below the picture.
pub struct Line {
    /// Whose it is, where there are two.
    pub title: Option<String>,
    /// The sentence.
    pub says: Says,
}

/// How far a sentence is.
pub enum Says {
    /// It is there: what it was made with, and how many of its words have appeared.
    Sentence(Told, Asked, usize),
    /// These words are said so far.
    Growing(Vec<String>),
    /// It was cancelled, or failed.
    Missing,
}

impl Line {
    /// The finished sentence.
    pub fn told(&self) -> Option<(&Told, &Asked)> {
        if let Says::Sentence(told, asked, _) = &self.says { Some((told, asked)) } else { None }
    }
}

/// Draws the canvas, and returns from where the picture is seen.
pub fn show(app: &mut App, ui: &mut Ui, r: &Response, (id, size): (PictureId, [u32; 2])) {
    let lines = lines(app, ui, id);
    let bar = caption_bar::show(app, ui, r.rect, &lines);
    let area = Rect::from_min_max(r.rect.min, pos2(r.rect.right(), bar.top()));
    // While a sentence grows, what is seen of the older one stays.
    let older = if matches!(lines[0].says, Says::Growing(_)) { older(app) } else { None };
    let view = match app.session.caption.view {
        CaptionView::Picture => panes(app, ui, r, area, (id, size), &lines[..1]),
        CaptionView::Beside => panes(app, ui, r, area, (id, size), &lines),
        CaptionView::Words => words_sheet::show(app, ui, r, area, (id, size), older.as_ref().unwrap_or(&lines[0])),
        CaptionView::Beam => beam_tree::show(app, ui, r, area, (id, size), older.as_ref().unwrap_or(&lines[0])),
    };
    caption_bar::zoom(app, ui, bar, view);
    app.canvas.below = bar.height();
    if app.session.caption.view == CaptionView::Picture {
        legend(app, ui, area, &lines[0]);
    }
}

/// What is said below the picture.
fn lines(app: &App, ui: &Ui, id: PictureId) -> Vec<Line> {
    let beside = app.session.caption.view == CaptionView::Beside;
    let said = |asked: Option<Asked>, greedy: bool| {
        let (Some(asked), Some(e)) = (asked, app.studio.current()) else { return Says::Missing };
        let pick = if greedy { app.caption_now().map(|c| c.greedy().pick) } else { None };
        let main = app.caption_asked().as_ref() == Some(&asked);
        let pick = pick.or(main.then_some(app.reading.pick)).unwrap_or_default();
        let found = if main { e.caption_so_far(&asked) } else { e.caption(&asked) };
        let coming = e.caption(&asked).is_none() && app.caption_is_to_come(id, &asked);
        if coming && let Some(words) = e.telling(&asked).filter(|words| !words.is_empty()) {
            return Says::Growing(words.to_vec());
        }
        match found.map(|c| (c.told(pick), c)) {
            Some((told, c)) if told.sentence().is_some() => {
                let revealed = revealed(told.steps(), c.came.elapsed(), app.session.still);
                if revealed <= told.steps() {
                    ui.ctx().request_repaint_after(EACH);
                }
                Says::Sentence(told, c.asked.clone(), revealed)
            }
            _ if coming => Says::Growing(Vec::new()),
            _ => Says::Missing,
        }
    };
    // Until the sentence is there, an older one may stand for it, which is its own model's.
    let titled = |asked: Option<Asked>| {
        let says = said(asked.clone(), false);
        let of = if let Says::Sentence(_, of, _) = &says { Some(of) } else { asked.as_ref() };
        Line { title: of.map(|of| app.model_name(&of.model)), says }
    };
    let asked = app.caption_asked();
    match (beside, &app.session.caption.against) {
        (false, _) => vec![Line { title: None, says: said(asked, false) }],
        (_, Against::Greedy) => {
            let greedy = Line { title: Some(app.words.get("caption-greedy")), says: said(asked.clone(), true) };
            vec![titled(asked), greedy]
        }
        _ => vec![titled(asked), titled(app.caption_beside())],
    }
}

/// The sentence that is there while another one grows.
fn older(app: &App) -> Option<Line> {
    let (told, asked) = app.told().zip(app.caption_now().map(|c| c.asked.clone()))?;
    let all = told.steps() + 1;
    Some(Line { title: None, says: Says::Sentence(told, asked, all) })
}

/// From one word that appears to the next.
const EACH: Duration = Duration::from_millis(100);

/// How many words of a sentence of so many `steps` have appeared this long after it came, one after another; one more than
/// there are when all have, which is at once where nothing is to move.
fn revealed(steps: usize, since: Duration, still: bool) -> usize {
    let count =
        usize::try_from(since.as_millis() / EACH.as_millis()).map_or(usize::MAX, |count| count.saturating_add(1));
    if still { steps + 1 } else { count.min(steps + 1) }
}

/// The picture under a map of a sentence, as the canvas draws it.
pub fn scene(app: &mut App, ui: &Ui, line: &Line, step: Step, view: View) -> Option<Scene> {
    let original = app.studio.original()?;
    let look = app.session.caption.drawing();
    let over = line.told().and_then(|(told, asked)| {
        let maps = app.studio.attention_maps(asked)?;
        told.over(&maps, told.map(step)?, &look)
    });
    let holding = app.canvas.holding || (ui.input(|i| i.key_down(Key::Space)) && !ui.ctx().text_edit_focused());
    let compare = if holding { Compare::Original } else { Compare::Result };
    let surround = theme::surround(ui.visuals().dark_mode);
    Some(Scene { original, over: over.unwrap_or_default(), compare, view, surround, pixel_grid: true })
}

/// The picture with the word that is seen, once for each line.
fn panes(
    app: &mut App,
    ui: &mut Ui,
    r: &Response,
    area: Rect,
    (id, size): (PictureId, [u32; 2]),
    lines: &[Line],
) -> View {
    let ppp = ui.ctx().pixels_per_point();
    let header = if lines.len() > 1 { 30.0 } else { 0.0 };
    let rects = lay(area, lines.len(), size, header, ppp);
    let (pane, pane_at) = places(&rects, ppp);
    let view = navigate(app, ui, r, (id, size), pane, MARGIN, pane_at);
    let mut glass = None;
    for (line, rect) in lines.iter().zip(&rects) {
        let step = app.reading.seen();
        let Some(scene) = scene(app, ui, line, step, view) else {
            ui.put(Rect::from_center_size(rect.center(), vec2(32.0, 32.0)), egui::Spinner::new());
            continue;
        };
        ui.painter().add(paint(scene.clone(), *rect));
        if r.hover_pos().is_some_and(|p| rect.contains(p)) {
            glass = Some(scene);
        }
        if let Some(title) = &line.title {
            let word = match (line.told(), step) {
                (Some((told, _)), _) if !told.attends() => app.words.get("caption-looks-once"),
                (Some((told, _)), Step::Word(at)) => word_of(app, told, at).unwrap_or_default(),
                _ => String::new(),
            };
            let text = if word.is_empty() { title.clone() } else { format!("{title} · {word}") };
            badge(ui, rect.left_top() + vec2(8.0, 4.0 - header), Align2::LEFT_TOP, &text);
            if let Some([_, low, high]) = line.told().and_then(|(told, asked)| scale(app, told, asked, step)) {
                // Not where it would meet the name.
                if rect.width() > 380.0 {
                    line_legend(app, ui, rect.right_top() + vec2(-8.0, 4.0 - header), &low, &high);
                }
            }
        }
    }
    if let Some(scene) = glass {
        loupe(ui, r, scene, size, pane, pane_at);
    }
    view
}

/// "dog 62 %".
pub fn word_of(app: &App, told: &Told, at: usize) -> Option<String> {
    let word = told.word(at)?;
    let text = if told.is_end(at) { app.words.get("word-end") } else { app.words.said(&word.text) };
    Some(format!("{text} {}", percents(word.log_prob.exp())))
}

/// Where the network looked, in words.
pub fn gaze(app: &App, told: &Told, step: Step) -> Option<String> {
    let map = told.values(step)?;
    Some(app.words.get(Gaze::of(&map, told.outcome.grid[1]).key()))
}

/// What a map is of, and the values of its first and its last colour.
fn scale(app: &mut App, told: &Told, asked: &Asked, step: Step) -> Option<[String; 3]> {
    let of = told.map(step)?;
    match step {
        Step::Nothing => None,
        Step::Word(at) => {
            let maps = app.studio.attention_maps(asked)?;
            let (_, high) = told.range(&maps, of, app.session.caption.drawing().scale)?;
            Some([word_of(app, told, at)?, "0 %".to_owned(), percents(high)])
        }
        Step::Sum => Some(["caption-sum", "scale-never", "scale-twice"].map(|key| app.words.get(key))),
    }
}

/// The colours of a map, as they are chosen.
fn colours(app: &App) -> Colormap {
    let look = &app.session.caption;
    if look.spotlight { Colormap::Grey } else { look.colormap }
}

/// The ink of what is written on dark grounds.
const INK: Color32 = Color32::from_gray(225);

/// What the map's colours mean, and of what it is.
fn legend(app: &mut App, ui: &Ui, area: Rect, line: &Line) {
    const WIDTH: f32 = 176.0;
    let step = app.reading.seen();
    let Some((told, asked)) = line.told() else { return };
    let Some([title, low, high]) = scale(app, told, asked, step) else { return };
    let app = &*app;
    legend_box(ui, area, ("attention-legend", 12.0), |ui| {
        let small = |text: String| RichText::new(text).size(theme::CAPTION).color(INK);
        ui.label(RichText::new(title).size(14.0).strong().color(Color32::WHITE));
        if step == Step::Sum {
            ui.label(small(app.words.get("caption-sum-once")));
        } else if let Some(gaze) = gaze(app, told, step) {
            ui.label(small(gaze));
        }
        let (rect, _) = ui.allocate_exact_size(vec2(WIDTH, 10.0), Sense::hover());
        colour_bar(ui, rect, colours(app));
        let ends = ui.horizontal(|ui| {
            ui.set_width(WIDTH);
            ui.label(small(low));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.label(small(high)));
        });
        if let Step::Word(_) = step {
            ui.label(small(app.words.get("attention-share")));
        }
        if step == Step::Sum {
            ui.painter().vline(rect.center().x, rect.y_range(), egui::Stroke::new(1.5, Color32::WHITE));
            let at = pos2(rect.center().x, ends.response.rect.center().y);
            let font = FontId::proportional(theme::CAPTION);
            ui.painter().text(at, Align2::CENTER_CENTER, app.words.get("scale-once"), font, INK);
        }
    });
}

/// The same in a line, where there are two pictures: at the right of what is written above one.
fn line_legend(app: &App, ui: &Ui, right_top: egui::Pos2, low: &str, high: &str) {
    const BAR: f32 = 72.0;
    let font = FontId::proportional(theme::CAPTION);
    let [low, high] = [low, high].map(|text| ui.painter().layout_no_wrap(text.to_owned(), font.clone(), INK));
    let wide = low.size().x + high.size().x + BAR + 28.0;
    let ground = Rect::from_min_size(right_top - vec2(wide, 0.0), vec2(wide, low.size().y + 8.0));
    ui.painter().rect_filled(ground, theme::RADIUS, Color32::from_black_alpha(170));
    let bar = Rect::from_center_size(
        pos2(ground.left() + low.size().x + 14.0 + BAR / 2.0, ground.center().y),
        vec2(BAR, 8.0),
    );
    colour_bar(ui, bar, colours(app));
    let top = ground.top() + 4.0;
    ui.painter().galley(pos2(ground.left() + 8.0, top), low, INK);
    ui.painter().galley(pos2(bar.right() + 6.0, top), high, INK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_appear_one_after_another_unless_nothing_is_to_move() {
        let after = |millis| revealed(9, Duration::from_millis(millis), false);
        assert_eq!([0, 99, 100, 250, 899, 900, 5000].map(after), [1, 1, 2, 3, 9, 10, 10]);
        assert_eq!(revealed(9, Duration::ZERO, true), 10);
        assert_eq!((revealed(0, Duration::ZERO, false), revealed(9, Duration::MAX, false)), (1, 10));
    }
}
