//! How pictures on the canvas are looked at: zoom, pan, and the loupe.

use std::collections::HashMap;

use egui::{CursorIcon, Key, Pos2, Rect, Response, Stroke, Ui, vec2};

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::entry::PictureId;
use crate::app::theme;
use crate::gpu::{Compare, Scene, View, paint};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A picture, once or several times beside each other.
    Picture(PictureId),
    /// The tree of the hypotheses that its caption comes from.
    Tree(PictureId),
}

/// How things are looked at. A picture without a view is fitted.
#[derive(Default)]
pub struct State {
    views: HashMap<Subject, View>,
    asked: Option<C>,
    pub(super) holding: bool,
    /// What the canvas' bars take below, in points, where that is more than usual.
    pub(in crate::app) below: f32,
}

impl State {
    /// Asks for a zoom command; it is done when the canvas is drawn, which knows its size.
    pub fn zoom(&mut self, c: C) {
        self.asked = Some(c);
    }

    /// Has something seen from there.
    pub(super) fn look_at(&mut self, subject: Subject, view: View) {
        self.views.insert(subject, view);
    }
}

/// The zoom steps of the plus and minus keys.
const STEP: f32 = 1.25;

/// Wheel zooms to the cursor, drag pans, a double click goes between the whole picture and its pixels.
///
/// `pane` is the size, in physical pixels, of a part of the canvas with a picture in it, `pane_at` where in it a point of
/// the window lies, and `margin` what is left free, in points, at its sides and above and below when a picture is fitted.
pub fn navigate(
    app: &mut App,
    ui: &Ui,
    r: &Response,
    (id, size): (PictureId, [u32; 2]),
    pane: [f32; 2],
    margin: [f32; 2],
    pane_at: impl Fn(Pos2) -> [f32; 2],
) -> View {
    let ppp = ui.ctx().pixels_per_point();
    let fit = || {
        let inner = [0, 1].map(|i| (pane[i] - 2.0 * margin[i] * ppp).max(16.0));
        let v = View::fit(size, inner);
        // A small picture is not blown up beyond what its pixels carry, but a tiny one enough to be seen.
        let most = (64.0 / size[0].max(size[1]).max(1) as f32).max(4.0);
        View { zoom: v.zoom.min(most * ppp), ..v }
    };
    navigate_from(app, ui, r, (Subject::Picture(id), size), pane, fit, pane_at)
}

/// As [`navigate`], of anything that is seen as `fit` has it until somebody moves it.
pub fn navigate_from(
    app: &mut App,
    ui: &Ui,
    r: &Response,
    (id, size): (Subject, [u32; 2]),
    pane: [f32; 2],
    fit: impl Fn() -> View,
    pane_at: impl Fn(Pos2) -> [f32; 2],
) -> View {
    let ppp = ui.ctx().pixels_per_point();
    let middle = [pane[0] / 2.0, pane[1] / 2.0];
    let now = app.canvas.views.get(&id).map_or_else(&fit, |v| v.clamped(size, pane));
    let mut next = None;
    match app.canvas.asked.take() {
        Some(C::ZoomFit) => drop(app.canvas.views.remove(&id)),
        Some(C::ZoomOne) => next = Some(View::one_to_one(size)),
        Some(C::ZoomIn) => next = Some(now.zoom_about(STEP, middle, size, pane)),
        Some(C::ZoomOut) => next = Some(now.zoom_about(1.0 / STEP, middle, size, pane)),
        _ => {}
    }
    if let Some(cursor) = r.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let factor = pinch * (scroll * 0.005).exp();
        if (factor - 1.0).abs() > 1e-4 {
            next = Some(now.zoom_about(factor, pane_at(cursor), size, pane));
        }
    }
    if r.dragged() {
        let d = r.drag_delta() * ppp;
        next = Some(now.pan([d.x, d.y], size, pane));
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
    if r.double_clicked() {
        match (app.canvas.views.remove(&id), r.interact_pointer_pos()) {
            (None, Some(at)) => next = Some(now.zoom_to(1.0, pane_at(at), size, pane)),
            _ => next = None,
        }
    }
    if let Some(v) = next {
        app.canvas.views.insert(id, v);
    }
    app.canvas.views.get(&id).map_or_else(fit, |v| v.clamped(size, pane))
}

/// While L is held: the pixels under the cursor, four times as large.
pub fn loupe(
    ui: &Ui,
    r: &Response,
    mut scene: Scene,
    size: [u32; 2],
    pane: [f32; 2],
    pane_at: impl Fn(Pos2) -> [f32; 2],
) {
    const SIDE: f32 = 220.0;
    let Some(cursor) = r.hover_pos() else { return };
    if !ui.input(|i| i.key_down(Key::L) && !i.modifiers.any()) || ui.ctx().text_edit_focused() {
        return;
    }
    let at = scene.view.screen_to_picture(pane_at(cursor), pane);
    scene.view = View { centre: at, zoom: (scene.view.zoom * 4.0).max(4.0) };
    // The loupe shows one picture, whatever the canvas compares.
    if scene.compare == Compare::SideBySide {
        scene.compare = Compare::Result;
    }
    let glass = Rect::from_center_size(cursor, vec2(SIDE, SIDE));
    scene.view = scene.view.clamped(size, [SIDE * ui.ctx().pixels_per_point(); 2]);
    ui.painter().add(paint(scene, glass));
    ui.painter().rect_stroke(
        glass,
        4,
        Stroke::new(2.0, theme::accent(ui.visuals().dark_mode)),
        egui::StrokeKind::Outside,
    );
}
