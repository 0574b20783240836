//! What is written over a segmentation on the canvas: the names of regions, the class under the pointer, the legend.

use egui::{Align2, Color32, FontId, Pos2, Rect, Response, Sense, Stroke, Ui, pos2, vec2};

use super::canvas::badge;
use crate::app::App;
use crate::app::compose::Map;
use crate::app::segment_look::{Asked, SegmentLook, Shown};
use crate::app::segmented::Segmented;
use crate::app::theme;
use crate::app::words::Words;
use crate::gpu::{Colormap, View};
use crate::tasks::percent;

/// Where a picture lies in the window.
#[derive(Clone, Copy)]
pub struct Place {
    /// The part of the window it is drawn in, in points.
    pub rect: Rect,
    /// Zoom and position, in physical pixels.
    pub view: View,
    /// Width and height of the picture, in its pixels.
    pub size: [u32; 2],
}

impl Place {
    /// The point of the window at a place of the picture, 0..=1 from its left and its top.
    pub(super) fn point(&self, [x, y]: [f32; 2], ppp: f32) -> Pos2 {
        let at = [x * self.size[0] as f32, y * self.size[1] as f32];
        let pane = [self.rect.width() * ppp, self.rect.height() * ppp];
        let [x, y] = self.view.picture_to_screen(at, pane);
        pos2(self.rect.left() + x / ppp, self.rect.top() + y / ppp)
    }

    /// The place of the picture at a point of the window, 0..=1 from its left and its top; outside that, off the picture.
    pub(super) fn of(&self, p: Pos2, ppp: f32) -> [f32; 2] {
        let pane = [self.rect.width() * ppp, self.rect.height() * ppp];
        let p = (p - self.rect.min) * ppp;
        let [x, y] = self.view.screen_to_picture([p.x, p.y], pane);
        [x / self.size[0] as f32, y / self.size[1] as f32]
    }
}

/// A part of the canvas with one thing in it.
pub struct Side {
    /// The part, in points.
    pub part: Rect,
    /// Where the picture lies in it, or would go on beyond it.
    pub place: Place,
    /// The segmentation that is shown there, if one is.
    pub shows: Option<Asked>,
}

/// What is under a point of the window: the segmentation, and the place of its picture, 0..=1 from its left and its top.
fn under<'a>(app: &'a App, ui: &Ui, sides: &[Side], at: Pos2) -> Option<(&'a Segmented, [f32; 2])> {
    let side = sides.iter().find(|side| side.part.contains(at))?;
    let s = app.studio.current()?.segmentation(side.shows.as_ref()?)?;
    Some((s, side.place.of(at, ui.ctx().pixels_per_point())))
}

/// The class under the pointer, if it is shown.
pub fn hovered(app: &App, ui: &Ui, r: &Response, sides: &[Side]) -> Option<u8> {
    let (s, on) = under(app, ui, sides, r.hover_pos()?)?;
    let label = s.label_at(on)?;
    s.classes.get(usize::from(label)).filter(|name| app.session.segment.shows(name)).map(|_| label)
}

/// A click chooses the class under the pointer, or none.
pub fn clicked(app: &mut App, ui: &Ui, r: &Response, sides: &[Side]) {
    let Some(at) = r.interact_pointer_pos().filter(|_| r.clicked()) else { return };
    let Some((s, on)) = under(app, ui, sides, at) else { return };
    let name = s.label_at(on).and_then(|label| s.classes.get(usize::from(label)).cloned());
    let look = &mut app.session.segment;
    let name = name.filter(|name| look.shows(name));
    // The same class again lets go of it.
    look.class = if look.class == name { None } else { name };
}

/// Draws the names of the regions of what a side shows.
pub fn names(app: &App, ui: &Ui, side: &Side) {
    /// A region whose largest circle is smaller than this, in points, has no room for a name.
    const ROOM: f32 = 16.0;
    let look = &app.session.segment;
    let Some(s) = shown(app, std::slice::from_ref(side)) else { return };
    if !look.names || look.shown != Shown::Classes {
        return;
    }
    let &Side { part, place, .. } = side;
    let ppp = ui.ctx().pixels_per_point();
    let painter = ui.painter().with_clip_rect(part);
    let longer = place.size[0].max(place.size[1]) as f32 * place.view.zoom / ppp;
    let colours = look.class_colours(&s.classes);
    let mut taken: Vec<Rect> = Vec::new();
    for area in &s.outcome.areas {
        let Some(name) = s.classes.get(usize::from(area.class)).filter(|name| look.shows(name)) else { continue };
        if area.room * longer < ROOM {
            continue;
        }
        let text = app.words.class(name);
        let galley = painter.layout_no_wrap(text, FontId::proportional(theme::CAPTION), Color32::WHITE);
        let rect = Rect::from_center_size(place.point(area.anchor, ppp), galley.size() + vec2(22.0, 6.0));
        if !part.contains(rect.center()) || taken.iter().any(|t| t.intersects(rect)) {
            continue;
        }
        painter.rect_filled(rect, theme::RADIUS, Color32::from_black_alpha(165));
        let dot = pos2(rect.left() + 9.0, rect.center().y);
        painter.circle(dot, 4.0, rgb(colours.colour(area.class)), Stroke::new(1.0, Color32::WHITE));
        painter.galley(rect.min + vec2(17.0, 3.0), galley, Color32::WHITE);
        taken.push(rect);
    }
}

/// The segmentation of the last side that shows one.
fn shown<'a>(app: &'a App, sides: &[Side]) -> Option<&'a Segmented> {
    let asked = sides.iter().rev().find_map(|side| side.shows.as_ref())?;
    app.studio.current()?.segmentation(asked)
}

/// How much of the picture another segmentation calls something else than the one that is shown.
pub fn disagreement(app: &App, sides: &[Side], other: &Asked) -> Option<f64> {
    /// Places that are looked at, with every frame.
    const PLACES: usize = 200_000;
    let (s, other) = (shown(app, sides)?, app.studio.current()?.segmentation(other)?);
    let step = (s.outcome.labels.len() / PLACES).max(1);
    let mut pairs = s.outcome.labels.iter().zip(&other.outcome.labels).step_by(step);
    let (count, apart) = pairs.by_ref().fold((0u32, 0u32), |(n, k), (a, b)| (n + 1, k + u32::from(a != b)));
    (count > 0).then(|| f64::from(apart) / f64::from(count))
}

/// Says what is under the pointer, beside it; with `other` what that segmentation says, too.
pub fn tell(app: &App, ui: &Ui, r: &Response, sides: &[Side], other: Option<&Asked>) {
    let Some(at) = r.hover_pos() else { return };
    let Some((s, on)) = under(app, ui, sides, at) else { return };
    let says = |s: &Segmented| {
        let label = s.label_at(on)?;
        Some(said(&app.words, &app.session.segment, s, label, &s.outcome.scores.at(on)))
    };
    let Some(mut text) = says(s) else { return };
    if let Some(o) = other.and_then(|other| app.studio.current()?.segmentation(other))
        && let Some(theirs) = says(o)
    {
        let [model, other] = [s, o].map(|s| app.model_name(&s.asked.model));
        text = format!("{other}: {theirs}\n{model}: {text}");
    }
    // Towards the middle, and not below what is left of the canvas.
    let (left, up) = (at.x > r.rect.center().x, at.y > r.rect.bottom() - 64.0);
    let (x, y) = (if left { -14.0 } else { 14.0 }, if up { -14.0 } else { 14.0 });
    let anchor = match (left, up) {
        (false, false) => Align2::LEFT_TOP,
        (false, true) => Align2::LEFT_BOTTOM,
        (true, false) => Align2::RIGHT_TOP,
        (true, true) => Align2::RIGHT_BOTTOM,
    };
    badge(ui, at + vec2(x, y), anchor, &text);
}

fn said(words: &Words, look: &SegmentLook, s: &Segmented, label: u8, probabilities: &[f32]) -> String {
    let of = |class: u8| {
        let name = s.classes.get(usize::from(class)).map(|name| words.class(name)).unwrap_or_default();
        let p = probabilities.get(usize::from(class)).copied().unwrap_or_default();
        format!("{name}  {:.0} %", p * 100.0)
    };
    match look.map(s) {
        None => of(label),
        Some(Map::Probability(class)) => of(class),
        Some(Map::Entropy) => {
            let mut order: Vec<u8> = (0..s.classes.len() as u8).collect();
            let p = |class: &u8| probabilities.get(usize::from(*class)).copied().unwrap_or_default();
            order.sort_by(|a, b| p(b).total_cmp(&p(a)));
            order.iter().take(2).map(|class| of(*class)).collect::<Vec<_>>().join("   ")
        }
    }
}

/// The legend within the canvas, which can be moved: the classes and their shares, or the scale of a map.
pub fn legend(app: &App, ui: &Ui, canvas: Rect, sides: &[Side]) {
    let look = &app.session.segment;
    let Some(s) = shown(app, sides) else { return };
    let map = look.map(s);
    if !look.legend && map.is_none() {
        return;
    }
    // Below what is written in the corner.
    legend_box(ui, canvas, ("legend", 48.0), |ui| match map {
        Some(map) => scale(app, ui, s, map),
        None => rows(app, ui, s),
    });
}

/// A legend's ground within the canvas, at first so far from its top; it can be moved.
pub(super) fn legend_box(ui: &Ui, canvas: Rect, (name, top): (&str, f32), add: impl FnOnce(&mut Ui)) {
    let area = egui::Area::new(egui::Id::unique(name))
        .default_pos(canvas.left_top() + vec2(12.0, top))
        .constrain_to(canvas.shrink(4.0))
        .movable(true);
    area.show(ui.ctx(), |ui| {
        let frame = egui::Frame::window(ui.style())
            .fill(Color32::from_black_alpha(185))
            .stroke(Stroke::NONE)
            .shadow(egui::Shadow::NONE);
        frame.inner_margin(10).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            add(ui);
        });
    });
}

fn rows(app: &App, ui: &mut Ui, s: &Segmented) {
    const MOST: usize = 12;
    let look = &app.session.segment;
    let shown = s.outcome.areas.iter().filter(|a| s.classes.get(usize::from(a.class)).is_some_and(|n| look.shows(n)));
    let colours = look.class_colours(&s.classes);
    let mut any = false;
    for area in shown.take(MOST) {
        any = true;
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
            ui.painter().rect_filled(rect, 3, rgb(colours.colour(area.class)));
            let name = s.classes.get(usize::from(area.class)).map(|n| app.words.class(n)).unwrap_or_default();
            let text = format!("{name}   {}", percent(area.share));
            ui.label(egui::RichText::new(text).size(theme::CAPTION).color(Color32::WHITE));
        });
    }
    if !any {
        let text = app.words.get("segment-nothing");
        ui.label(egui::RichText::new(text).size(theme::CAPTION).color(Color32::WHITE));
    }
}

/// What the colours of a map mean.
fn scale(app: &App, ui: &mut Ui, s: &Segmented, map: Map) {
    let small = |text: String| egui::RichText::new(text).size(theme::CAPTION).color(Color32::WHITE);
    let title = match map {
        Map::Probability(class) => {
            let name = s.classes.get(usize::from(class)).map(|n| app.words.class(n)).unwrap_or_default();
            app.words.with("scale-probability", [("class", name)])
        }
        Map::Entropy => app.words.get("scale-uncertainty"),
    };
    ui.label(small(title));
    let (rect, _) = ui.allocate_exact_size(vec2(168.0, 12.0), Sense::hover());
    colour_bar(ui, rect, app.session.segment.colormap);
    ui.horizontal(|ui| {
        ui.set_width(168.0);
        let (low, high) = match map {
            Map::Probability(_) => ("0 %".to_owned(), "100 %".to_owned()),
            Map::Entropy => (app.words.get("scale-sure"), app.words.get("scale-unsure")),
        };
        ui.label(small(low));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.label(small(high)));
    });
}

/// The colours of a map from its low end to its high one.
pub fn colour_bar(ui: &Ui, rect: Rect, colours: Colormap) {
    const STEPS: u32 = 32;
    let mut mesh = egui::Mesh::default();
    for i in 0..=STEPS {
        let t = i as f32 / STEPS as f32;
        let colour = rgb(colours.colour(t).map(|v| (v * 255.0).round() as u8));
        let x = rect.left() + t * rect.width();
        mesh.colored_vertex(pos2(x, rect.top()), colour);
        mesh.colored_vertex(pos2(x, rect.bottom()), colour);
        if i > 0 {
            let at = 2 * i;
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at, at + 1);
        }
    }
    ui.painter().add(mesh);
}

/// A colour as egui has them.
pub fn rgb([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}
