//! The beam search made visible: every hypothesis, word by word from left to right, those that lived and those that did not.

mod layout;
mod svg;

use egui::epaint::CubicBezierShape;
use egui::{
    Align2, Color32, FontId, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::captions::{Line, Says, scene, word_of};
use super::regions::Place;
use super::sight::{Subject, navigate_from};
use crate::app::App;
use crate::app::captioned::{MapOf, Pick, Step, Told, fates};
use crate::app::entry::PictureId;
use crate::app::tasks::caption::percents;
use crate::app::theme;
use crate::app::widgets::caption;
use crate::gpu::{Compare, Scene, View, paint};
use crate::tasks::caption::{Fate, Node};
use layout::{CHIP, Layout, Spot};

pub use svg::svg;

/// What is left free around the fitted tree, in points.
const MARGIN: [f32; 2] = [20.0, 14.0];
/// The longer side of the picture in the corner.
const INSET: f32 = 190.0;

/// Draws the tree, and returns from where it is seen.
pub fn show(
    app: &mut App,
    ui: &mut Ui,
    r: &Response,
    area: Rect,
    (id, size): (PictureId, [u32; 2]),
    line: &Line,
) -> View {
    ui.painter().rect_filled(area, 0, ui.visuals().panel_fill);
    let ppp = ui.ctx().pixels_per_point();
    let Some((told, asked)) = line.told() else {
        if matches!(line.says, Says::Growing(_)) {
            ui.put(Rect::from_center_size(area.center(), vec2(32.0, 32.0)), egui::Spinner::new());
        } else {
            let none = caption(app.words.get("caption-none"));
            ui.put(Rect::from_center_size(area.center(), vec2(area.width(), 32.0)), egui::Label::new(none));
        }
        return View { centre: [0.0; 2], zoom: ppp };
    };
    let text = |node: usize| told.outcome.tree.nodes.get(node).and_then(|n| told.outcome.words.word(n.word));
    let name = |node: usize| text(node).map(|word| app.words.said(word)).unwrap_or_default();
    let wide = |node: usize| {
        let font = FontId::proportional(CHIP.type_size);
        ui.painter().layout_no_wrap(name(node), font, Color32::WHITE).size().x
    };
    // As many points high as the area is when the tree is as wide as it.
    let aspect = area.height() / area.width().max(1.0);
    let tree = Layout::new(told, wide, aspect);
    let names: Vec<String> = (0..told.outcome.tree.nodes.len()).map(name).collect();
    let whole = tree.size.map(|side| side.ceil().max(1.0) as u32);
    let pane = [area.width() * ppp, area.height() * ppp];
    let pane_at = |p: egui::Pos2| {
        let at = (p - area.min) * ppp;
        [at.x, at.y]
    };
    let seen = match app.reading.step {
        Step::Word(at) => told.word(at).map(|word| word.node),
        _ => None,
    };
    let focus = seen.and_then(|node| tree.spots.get(node)?.as_ref());
    let focus = focus.map_or([0.0, tree.line], |spot| [spot.left + spot.wide / 2.0, spot.middle]);
    let home = || home(tree.size, focus, pane, ppp);
    let view = navigate_from(app, ui, r, (Subject::Tree(id), whole), pane, home, pane_at);
    let place = Place { rect: area, view, size: whole };
    let zoom = view.zoom / ppp;
    let at = |[x, y]: [f32; 2]| place.point([x / whole[0] as f32, y / whole[1] as f32], ppp);
    let chip = |spot: &Spot| {
        let min = at([spot.left, spot.middle - CHIP.high / 2.0]);
        Rect::from_min_size(min, vec2(spot.wide, CHIP.high) * zoom)
    };
    let clip = ui.painter().with_clip_rect(area);
    let ink = Inks::of(ui);
    for (node, spot) in tree.spots.iter().enumerate() {
        let Some((spot, before)) = spot.as_ref().zip(told.outcome.tree.nodes[node].parent) else { continue };
        let Some(from) = tree.spots[before].as_ref() else { continue };
        let (from, to) = (chip(from).right_center(), chip(spot).left_center());
        let bend = vec2((to.x - from.x) / 2.0, 0.0);
        let stroke = match (spot.chosen, spot.lives) {
            (true, _) => Stroke::new((3.0 * zoom).max(1.5), ink.accent),
            (_, true) => Stroke::new((1.6 * zoom).max(1.0), ink.line),
            _ => Stroke::new(1.0, ink.faint_line),
        };
        let points = [from, from + bend, to - bend, to];
        clip.add(Shape::CubicBezier(CubicBezierShape::from_points_stroke(points, false, Color32::TRANSPARENT, stroke)));
    }
    let mut hovered = None;
    let mut clicked = None;
    // Chips outside keep their places there, so that the keyboard finds the way to them, but the pointer does not.
    let whole_clip = ui.clip_rect();
    ui.set_clip_rect(whole_clip.intersect(area));
    for (node, spot) in tree.spots.iter().enumerate() {
        let Some(spot) = spot else { continue };
        let rect = chip(spot);
        let r = ui.interact(rect, ui.scope_id().with(("node", node)), Sense::click());
        if r.gained_focus() && !area.contains_rect(rect) {
            let centre = [spot.left + spot.wide / 2.0, spot.middle];
            app.canvas.look_at(Subject::Tree(id), View { centre, ..view });
            ui.ctx().request_repaint();
        }
        if rect.intersects(area) {
            let hot = r.hovered() || r.has_focus() || seen == Some(node);
            node_chip(&clip, &ink, &told.outcome.tree.nodes[node], (spot, rect, &names[node]), zoom, hot);
        }
        if node > 0 {
            let label = node_name(app, told, node, &tree);
            r.widget_info(|| WidgetInfo::selected(Role::Button, true, spot.chosen, &label));
        } else {
            r.widget_info(|| WidgetInfo::labeled(Role::Label, true, &names[node]));
        }
        if r.hovered() {
            hovered = Some(node);
        }
        let r = if node > 0 { r.on_hover_ui(|ui| facts(app, ui, told, node, &tree)) } else { r };
        if r.clicked() && node > 0 {
            clicked = Some(node);
        }
    }
    ui.set_clip_rect(whole_clip);
    let chips: Vec<Rect> = tree.spots.iter().flatten().map(chip).collect();
    if let Some(corner) = free_corner(area, &chips, size) {
        inset(app, ui, corner, (line, told, asked), hovered, size);
    }
    if let Some(node) = clicked {
        click(app, told, node);
    }
    summary(app, ui, r, area, told);
    view
}

/// How the tree is seen at first: as a whole where its letters can be read so, else the part around `focus`.
fn home(size: [f32; 2], focus: [f32; 2], pane: [f32; 2], ppp: f32) -> View {
    /// Between these zooms letters can be read, and are no larger than the sentence's.
    const READABLE: std::ops::RangeInclusive<f32> = 0.85..=1.5;
    let fits = [0, 1].map(|i| (pane[i] - 2.0 * MARGIN[i] * ppp).max(16.0) / size[i]);
    let least = fits[1].clamp(0.6 * ppp, READABLE.start() * ppp);
    let zoom = fits[0].min(fits[1]).clamp(least, READABLE.end() * ppp);
    let centre = [0, 1].map(|i| {
        let half = pane[i] / 2.0 / zoom - MARGIN[i];
        if size[i] <= 2.0 * half { size[i] / 2.0 } else { focus[i].clamp(half, size[i] - half) }
    });
    View { centre, zoom }
}

/// The colours of the tree.
struct Inks {
    accent: Color32,
    on_accent: Color32,
    ink: Color32,
    faint: Color32,
    line: Color32,
    faint_line: Color32,
    ground: Color32,
    hot: Color32,
}

impl Inks {
    fn of(ui: &Ui) -> Inks {
        let v = ui.visuals();
        Inks {
            accent: theme::accent(v.dark_mode),
            on_accent: theme::on_accent(v.dark_mode),
            ink: v.strong_text_color(),
            faint: v.weak_text_color(),
            line: v.weak_text_color(),
            faint_line: v.weak_text_color().gamma_multiply(0.4),
            ground: v.widgets.inactive.weak_bg_fill,
            hot: v.widgets.hovered.weak_bg_fill,
        }
    }
}

/// A word of the tree.
fn node_chip(
    painter: &egui::Painter,
    ink: &Inks,
    n: &Node,
    (spot, rect, name): (&Spot, Rect, &str),
    zoom: f32,
    hot: bool,
) {
    let begins = n.parent.is_none();
    let (fill, text) = match (spot.chosen, spot.lives) {
        // Where all begin; nothing was chosen there.
        _ if begins => (Some(ink.ground), ink.faint),
        (true, _) => (Some(ink.accent), ink.on_accent),
        (_, true) => (Some(ink.ground), ink.ink),
        _ => (None, ink.faint),
    };
    let radius = (f32::from(theme::RADIUS) * zoom).clamp(2.0, 12.0);
    if let Some(fill) = fill.or(hot.then_some(ink.hot)) {
        painter.rect_filled(rect, radius, fill);
    }
    let finished = n.fate == Fate::Finished;
    let border = match (hot, finished, spot.lives) {
        (true, ..) => Stroke::new(2.0, ink.ink),
        (_, true, _) => Stroke::new(1.5, ink.accent),
        (_, _, false) => Stroke::new(1.0, ink.faint_line),
        _ => Stroke::NONE,
    };
    painter.rect_stroke(rect, radius, border, StrokeKind::Inside);
    // Letters too small to read are only noise.
    if zoom * CHIP.type_size < 5.0 {
        return;
    }
    let font = FontId::proportional(CHIP.type_size * zoom);
    if begins {
        painter.text(rect.center(), Align2::CENTER_CENTER, name, font, ink.faint);
        return;
    }
    let middle = rect.center_top() + vec2(0.0, 4.0 * zoom);
    painter.text(middle, Align2::CENTER_TOP, name, font, text);
    let score = format!("{:.2}", n.score).replace('-', "−");
    let under = rect.center_bottom() - vec2(0.0, 4.0 * zoom);
    let quiet = if spot.chosen { ink.on_accent } else { ink.faint };
    painter.text(under, Align2::CENTER_BOTTOM, score, FontId::proportional(CHIP.small * zoom), quiet);
    if n.forced {
        let y = rect.bottom() - 1.5 * zoom;
        let x = (rect.left() + 6.0 * zoom)..=(rect.right() - 6.0 * zoom);
        painter.hline(x, y, Stroke::new((2.0 * zoom).max(1.0), text));
    }
}

/// What became of a node, in words.
fn fate(app: &App, told: &Told, node: usize) -> String {
    let Some(n) = told.outcome.tree.nodes.get(node) else { return String::new() };
    app.words.get(match n.fate {
        _ if n.forced => "fate-forced",
        Fate::Continued => "fate-continued",
        Fate::Dropped => "fate-dropped",
        Fate::Finished => "fate-finished",
        Fate::Unfinished => "fate-unfinished",
    })
}

/// "a brown dog, 62 %, went on".
fn node_name(app: &App, told: &Told, node: usize, tree: &Layout) -> String {
    let words = told.words_to(node).iter().map(|word| app.words.said(word)).collect::<Vec<_>>().join(" ");
    let share = told.outcome.tree.nodes.get(node).map_or(0.0, |n| n.log_prob.exp());
    let rank = tree.rank(node).to_string();
    let args = [("words", words), ("share", percents(share)), ("rank", rank), ("fate", fate(app, told, node))];
    app.words.with("node-name", args)
}

fn facts(app: &App, ui: &mut Ui, told: &Told, node: usize, tree: &Layout) {
    let Some(n) = told.outcome.tree.nodes.get(node) else { return };
    let words = told.words_to(node).iter().map(|word| app.words.said(word)).collect::<Vec<_>>().join(" ");
    ui.set_max_width(300.0);
    ui.strong(words);
    let number = |v: f32| format!("{v:.2}").replace('-', "−");
    let rank = [("rank", tree.rank(node).to_string()), ("count", tree.beside(node).to_string())];
    for text in [
        app.words.with("node-probability", [("share", percents(n.log_prob.exp())), ("log", number(n.log_prob))]),
        app.words.with("node-score", [("sum", number(n.score))]),
        app.words.with("node-rank", rank),
        fate(app, told, node),
    ] {
        ui.label(text);
    }
    let click = match told.through(node) {
        Some(_) => "node-click",
        None if app.can_force() => "node-click-dropped",
        None => return,
    };
    ui.label(caption(app.words.get(click)));
}

/// Chooses the best sentence through a node; one that was dropped is forced.
fn click(app: &mut App, told: &Told, node: usize) {
    match told.through(node) {
        Some(sentence) => {
            let depth = told.words_to(node).len();
            app.reading.pick(Pick { sentence, ..told.pick }, Step::Word(depth.saturating_sub(1)));
        }
        None if app.can_force() => app.force(told.words_to(node)),
        None => {}
    }
}

/// Where a picture of `size` covers nothing of the tree: along the top from the left, else along the bottom; a smaller one
/// where there is little room.
fn free_corner(area: Rect, chips: &[Rect], size: [u32; 2]) -> Option<Rect> {
    const STEP: f32 = 16.0;
    let area = area.shrink(12.0);
    // The summary's, at the right of the top.
    let taken = Rect::from_min_max(area.right_top() - vec2(230.0, 12.0), area.right_top() + vec2(12.0, 24.0));
    let longer = size[0].max(size[1]).max(1) as f32;
    let places = [1.0, 0.8, 0.6].into_iter().flat_map(|part| {
        let sides = (vec2(size[0] as f32, size[1] as f32) * INSET * part / longer).max(vec2(8.0, 8.0));
        let columns = ((area.width() - sides.x) / STEP).max(0.0) as usize;
        [area.top(), area.bottom() - sides.y].into_iter().flat_map(move |top| {
            (0..=columns).map(move |i| Rect::from_min_size(pos2(area.left() + i as f32 * STEP, top), sides))
        })
    });
    let free = |place: &Rect| {
        let around = place.expand(8.0);
        area.contains_rect(*place) && !around.intersects(taken) && !chips.iter().any(|chip| around.intersects(*chip))
    };
    places.into_iter().find(free)
}

/// The picture in the corner, and where the network looked for the word under the pointer, or else for the chosen one.
fn inset(
    app: &mut App,
    ui: &mut Ui,
    rect: Rect,
    (line, told, asked): (&Line, &Told, &crate::app::caption_look::Asked),
    hovered: Option<usize>,
    size: [u32; 2],
) {
    let ppp = ui.ctx().pixels_per_point();
    let view = View::fit(size, [rect.width() * ppp, rect.height() * ppp]);
    let step = app.reading.seen();
    let Some(mut scene) = scene(app, ui, line, step, view) else { return };
    let node = hovered.filter(|node| *node > 0);
    let before = node.and_then(|node| told.outcome.tree.nodes.get(node)?.parent);
    if let Some(before) = before.filter(|_| told.attends()) {
        let maps = app.studio.attention_maps(asked);
        let name = MapOf::After { greedy: told.pick.greedy, node: before };
        let look = app.session.caption.drawing();
        if let Some(over) = maps.and_then(|maps| told.over(&maps, name, &look)) {
            scene = Scene { over, compare: Compare::Result, ..scene };
        }
    }
    ui.painter().rect_filled(rect.expand(3.0), theme::RADIUS, ui.visuals().window_fill);
    ui.painter().add(paint(scene, rect));
    ui.painter().rect_stroke(rect.expand(3.0), theme::RADIUS, ui.visuals().window_stroke, StrokeKind::Inside);
    let word = match (node, step) {
        (Some(node), _) => told.words_to(node).last().map(|word| app.words.said(word)),
        (None, Step::Word(at)) => word_of(app, told, at),
        _ => None,
    };
    if let Some(word) = word {
        super::canvas::badge(ui, pos2(rect.left() + 4.0, rect.bottom() - 4.0), Align2::LEFT_BOTTOM, &word);
    }
}

/// How many ended and how many were dropped, for those who cannot see the tree.
fn summary(app: &App, ui: &mut Ui, r: &Response, area: Rect, told: &Told) {
    let (finished, dropped) = fates(&told.outcome);
    let args = [("beam", told.outcome.beam), ("finished", finished), ("dropped", dropped)];
    let text = app.words.with("beam-summary", args);
    let font = FontId::proportional(theme::CAPTION);
    let galley = ui.painter().layout_no_wrap(text.clone(), font, ui.visuals().weak_text_color());
    let at = area.right_top() + vec2(-12.0 - galley.size().x, 10.0);
    let rect = Rect::from_min_size(at, galley.size());
    let label = ui.interact(rect, r.id.with("beam-summary"), Sense::hover());
    label.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    ui.painter().rect_filled(rect.expand2(vec2(6.0, 3.0)), theme::RADIUS, ui.visuals().panel_fill);
    ui.painter().galley(at, galley, ui.visuals().weak_text_color());
}
