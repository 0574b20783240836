//! Several pictures on the canvas, moved and zoomed as one: a cycle, or two models on one picture.

use std::sync::Arc;

use egui::text::{LayoutJob, TextWrapping};
use egui::{
    Align2, Color32, FontId, Galley, Pos2, Rect, Response, Role, Sense, Stroke, TextFormat, Ui, Vec2, WidgetInfo, pos2,
    vec2,
};

use super::canvas::badge;
use super::regions::{Place, colour_bar};
use super::sight::{loupe, navigate};
use crate::app::App;
use crate::app::entry::PictureId;
use crate::app::panes::{Pane, Shows, columns, steps};
use crate::app::theme;
use crate::app::translate_look::{Chart, Part};
use crate::gpu::{Compare, Over, PictureTexture, Scene, Tint, View, paint};
use crate::tasks::translate::Map;

/// What the bar below takes, in points.
const BAR: f32 = 62.0;
/// What is left free around a fitted picture, in points.
const MARGIN: [f32; 2] = [4.0, 4.0];
/// Between two panes.
pub(super) const GAP: f32 = 2.0;

/// Draws the panes of the picture `id` of `size`, and returns from where they are seen.
pub fn show(app: &mut App, ui: &mut Ui, r: &Response, (id, size): (PictureId, [u32; 2]), panes: &[Pane]) -> View {
    let ppp = ui.ctx().pixels_per_point();
    let area = Rect::from_min_max(r.rect.min, r.rect.max - vec2(0.0, BAR));
    let wide = |header: f32| lay(area, panes.len(), size, header, ppp).first().map_or(0.0, |rect| rect.width());
    // As many lines as the panes' width asks for, which hangs on how they lie, which hangs on the lines: one round does.
    let header = header(&captions(ui, panes, wide(header(&[]))));
    let rects = lay(area, panes.len(), size, header, ppp);
    let names = captions(ui, panes, rects.first().map_or(0.0, |rect| rect.width()));
    let (pane, pane_at) = places(&rects, ppp);
    let view = navigate(app, ui, r, (id, size), pane, MARGIN, pane_at);
    let surround = theme::surround(ui.visuals().dark_mode);
    let hovered = r.hover_pos().and_then(|p| rects.iter().position(|rect| rect.contains(p)).map(|i| (i, p)));
    // The place of the picture under the pointer, 0..=1.
    let at = hovered.map(|(i, p)| Place { rect: rects[i], view, size }.of(p, ppp));
    let at = at.filter(|at| at.iter().all(|v| (0.0..1.0).contains(v)));
    let mut glass = None;
    for (i, (pane, rect)) in panes.iter().zip(&rects).enumerate() {
        match texture(app, &pane.shows) {
            Some(original) => {
                let (over, compare) = over(app, pane);
                let scene = Scene { original, over, compare, view, surround, pixel_grid: true };
                ui.painter().add(paint(scene.clone(), *rect));
                if hovered.is_some_and(|(hovered, _)| hovered == i) {
                    glass = Some(scene);
                }
            }
            None => empty(ui, *rect, &pane.shows),
        }
        if let Some(at) = at {
            let place = Place { rect: *rect, view, size };
            cross(app, ui, pane, &place, place.point(at, ppp), at);
        }
        if let Some(caption) = names.get(i) {
            // On the picture's corner, as long as that is in its pane.
            let corner = Place { rect: *rect, view, size }.point([0.0; 2], ppp).max(rect.min).min(rect.max);
            name(ui, *rect, corner - vec2(0.0, header), caption, i);
        }
    }
    scales(app, ui, r.rect, panes);
    if let Some(scene) = glass {
        loupe(ui, r, scene, size, pane, pane_at);
    }
    view
}

/// The height above a pane that its caption takes, in points.
fn header(captions: &[Caption]) -> f32 {
    let high = |caption: &Caption| caption.lines.iter().map(|l| l.size().y).sum::<f32>();
    captions.iter().map(high).fold(theme::CAPTION, f32::max) + 14.0
}

/// Width and height of panes of one size, in physical px, and where in the nearest of them a point is.
pub(super) fn places(rects: &[Rect], ppp: f32) -> ([f32; 2], impl Fn(Pos2) -> [f32; 2] + Copy) {
    let pane = rects.first().map_or([1.0; 2], |rect| [rect.width() * ppp, rect.height() * ppp]);
    let nearest =
        move |p: Pos2| rects.iter().min_by(|a, b| a.distance_sq_to_pos(p).total_cmp(&b.distance_sq_to_pos(p)));
    let pane_at = move |p: Pos2| {
        let at = nearest(p).map_or(p.to_vec2(), |rect| p - rect.min) * ppp;
        [at.x, at.y]
    };
    (pane, pane_at)
}

/// The panes' places below their captions: a row, a column or a grid, whichever makes the pictures largest; all of one
/// size in whole pixels.
pub(super) fn lay(area: Rect, count: usize, size: [u32; 2], header: f32, ppp: f32) -> Vec<Rect> {
    let around = [2.0 * MARGIN[0] + GAP, 2.0 * MARGIN[1] + GAP + header];
    let columns = columns(count.max(1), size.map(|side| side.max(1) as f32), [area.width(), area.height()], around);
    let rows = count.max(1).div_ceil(columns);
    let whole = |length: f32| (length * ppp).floor().max(1.0) / ppp;
    let side = |length: f32, parts: usize| whole((length - GAP * (parts - 1) as f32) / parts as f32);
    let cell = vec2(side(area.width(), columns), side(area.height(), rows));
    let gap = whole(GAP);
    let header = whole(header).min(cell.y / 2.0);
    let place = |i: usize| {
        let [column, row] = [i % columns, i / columns].map(|n| n as f32);
        let min = area.min + vec2(column * (cell.x + gap), row * (cell.y + gap));
        Rect::from_min_max(min + vec2(0.0, header), min + cell)
    };
    (0..count).map(place).collect()
}

fn texture(app: &mut App, shows: &Shows) -> Option<Arc<PictureTexture>> {
    match shows {
        Shows::Original => app.studio.original(),
        Shows::Part(asked, part) => app.studio.part_texture(asked, *part),
        Shows::Partner => app.studio.partner_texture(),
        Shows::Waiting | Shows::Missing(_) | Shows::Nothing(_) => None,
    }
}

/// The map over a pane, where it has one.
fn over(app: &mut App, pane: &Pane) -> (Over, Compare) {
    let (Some(chart), Shows::Part(asked, _)) = (pane.chart, &pane.shows) else {
        return (Over::Nothing, Compare::Original);
    };
    match app.studio.chart_texture(asked, chart) {
        Some(map) => (Over::Scalar { map, tint: chart.tint() }, Compare::Result),
        None => (Over::Nothing, Compare::Original),
    }
}

/// Says why there is no picture, or that it is on its way.
fn empty(ui: &mut Ui, rect: Rect, shows: &Shows) {
    let (Shows::Nothing(why) | Shows::Missing(why)) = shows else {
        ui.put(Rect::from_center_size(rect.center(), vec2(28.0, 28.0)), egui::Spinner::new());
        return;
    };
    let width = (rect.width() - 32.0).clamp(40.0, 320.0);
    let ink = if ui.visuals().dark_mode { Color32::from_gray(200) } else { Color32::WHITE };
    let galley = ui.painter().layout(why.clone(), FontId::proportional(theme::CAPTION + 1.0), ink, width);
    let at = Align2::CENTER_CENTER.anchor_size(rect.center(), galley.size()).min;
    ui.painter().with_clip_rect(rect).galley(at, galley, ink);
}

/// A pane's name, and what is said of it.
struct Caption {
    lines: Vec<Arc<Galley>>,
    /// The same, whole.
    full: String,
}

/// What is written above the panes: in one line where there is room for that above all of them, else in two; cut where
/// that is still too long.
fn captions(ui: &Ui, panes: &[Pane], width: f32) -> Vec<Caption> {
    let room = (width - 24.0).max(8.0);
    let galley = |parts: &[(&str, Color32)], most: f32| {
        let mut job = LayoutJob::default();
        for (i, (text, ink)) in parts.iter().enumerate() {
            let before = if i > 0 { 10.0 } else { 0.0 };
            job.append(text, before, TextFormat::simple(FontId::proportional(theme::CAPTION), *ink));
        }
        job.wrap = TextWrapping::truncate_at_width(most);
        ui.fonts_mut(|f| f.layout_job(job))
    };
    let grey = Color32::from_gray(205);
    let parts = |pane: &Pane| -> Vec<(String, Color32)> {
        let parts = [(pane.title.clone(), Color32::WHITE), (pane.note.clone(), grey)];
        parts.into_iter().filter(|(text, _)| !text.is_empty()).collect()
    };
    fn borrowed(parts: &[(String, Color32)]) -> Vec<(&str, Color32)> {
        parts.iter().map(|(text, ink)| (text.as_str(), *ink)).collect()
    }
    let whole = |pane: &Pane| galley(&borrowed(&parts(pane)), f32::INFINITY);
    let one = panes.iter().all(|pane| whole(pane).size().x <= room);
    let caption = |pane: &Pane| {
        let parts = parts(pane);
        let lines = match one {
            true => vec![galley(&borrowed(&parts), room)],
            false => borrowed(&parts).iter().map(|part| galley(&[*part], room)).collect(),
        };
        let full = parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
        Caption { lines, full }
    };
    panes.iter().map(caption).collect()
}

/// Draws a caption from `at` on, but not beyond the sides of its pane.
fn name(ui: &mut Ui, pane: Rect, at: Pos2, caption: &Caption, index: usize) {
    let wide = caption.lines.iter().map(|l| l.size().x).fold(0.0, f32::max);
    let high: f32 = caption.lines.iter().map(|l| l.size().y).sum();
    let left = at.x.min(pane.right() - wide - 20.0).max(pane.left() + 4.0);
    let ground = Rect::from_min_size(pos2(left, at.y + 4.0), vec2(wide + 16.0, high + 6.0));
    ui.painter().rect_filled(ground, theme::RADIUS, Color32::from_black_alpha(185));
    let mut top = ground.top() + 3.0;
    for line in &caption.lines {
        ui.painter().galley(pos2(ground.left() + 8.0, top), line.clone(), Color32::WHITE);
        top += line.size().y;
    }
    let r = ui.interact(ground, ui.scope_id().with(("pane", index)), Sense::hover());
    r.widget_info(|| WidgetInfo::labeled(Role::Label, true, &caption.full));
    if caption.lines.iter().any(|line| line.elided) {
        r.on_hover_text(&caption.full);
    }
}

/// What the colours of the maps mean, below the panes: the errors' one scale, and the discriminator's.
fn scales(app: &App, ui: &Ui, canvas: Rect, panes: &[Pane]) {
    const BAR: Vec2 = vec2(112.0, 8.0);
    // On a narrow canvas it would meet the buttons.
    if canvas.width() < 520.0 {
        return;
    }
    let has = |verdict: bool| panes.iter().any(|p| p.chart.is_some_and(|c| (c == Chart::Verdict) == verdict));
    let verdict = has(true).then(|| (Chart::Verdict, app.words.get("scale-made"), app.words.get("scale-real")));
    let top = || app.words.with("of-255-or-more", [("value", format!("{:.0}", Tint::ERROR.high * 255.0))]);
    let error = has(false).then(|| (Chart::Error, app.words.get("scale-error"), top()));
    let rows: Vec<_> = [verdict, error].into_iter().flatten().collect();
    if rows.is_empty() {
        return;
    }
    let size = vec2(300.0, if rows.len() > 1 { 38.0 } else { 24.0 });
    let ground = Align2::RIGHT_CENTER.anchor_size(canvas.right_bottom() + vec2(-12.0, -31.0), size);
    ui.painter().rect_filled(ground, theme::RADIUS, Color32::from_black_alpha(185));
    let ink = Color32::from_gray(225);
    let font = FontId::proportional(theme::CAPTION);
    for (i, (chart, low, high)) in rows.iter().enumerate() {
        let y = ground.top() + size.y * (i as f32 + 0.5) / rows.len() as f32;
        let bar = Rect::from_center_size(pos2(ground.center().x + 8.0, y), BAR);
        colour_bar(ui, bar, chart.tint().colormap);
        ui.painter().text(bar.left_center() - vec2(6.0, 0.0), Align2::RIGHT_CENTER, low, font.clone(), ink);
        ui.painter().text(bar.right_center() + vec2(6.0, 0.0), Align2::LEFT_CENTER, high, font.clone(), ink);
    }
}

/// The place under the pointer, in every pane, with the map's number there.
fn cross(app: &App, ui: &Ui, pane: &Pane, place: &Place, p: Pos2, at: [f32; 2]) {
    const ARM: f32 = 9.0;
    const HOLE: f32 = 3.0;
    let rect = place.rect;
    if !rect.contains(p) {
        return;
    }
    let painter = ui.painter().with_clip_rect(rect);
    for (width, ink) in [(3.0, Color32::from_black_alpha(150)), (1.0, Color32::WHITE)] {
        for d in [vec2(1.0, 0.0), vec2(-1.0, 0.0), vec2(0.0, 1.0), vec2(0.0, -1.0)] {
            painter.line_segment([p + d * HOLE, p + d * ARM], Stroke::new(width, ink));
        }
    }
    let (Some(chart), Shows::Part(asked, _)) = (pane.chart, &pane.shows) else { return };
    let t = app.studio.current().and_then(|e| e.translated.iter().find(|t| t.asked == *asked));
    let Some(value) = t.and_then(|t| chart.of(&t.outcome)).and_then(|map| value_at(map, at)) else { return };
    let text = match chart.part() {
        Part::Result => format!("{value:.2}"),
        _ => app.words.with("of-255", [("value", steps(f64::from(value)))]),
    };
    let left = p.x > rect.right() - 96.0;
    let (offset, anchor) = if left { (-10.0, Align2::RIGHT_TOP) } else { (10.0, Align2::LEFT_TOP) };
    badge(ui, p + vec2(offset, 10.0), anchor, &text);
}

/// A map's value at a place, 0..=1 from its left and its top.
fn value_at(map: &Map, at: [f32; 2]) -> Option<f32> {
    let [x, y] = [0, 1].map(|i| ((at[i] * map.size[i] as f32) as usize).min((map.size[i] as usize).saturating_sub(1)));
    map.values.get(y * map.size[0] as usize + x).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_are_of_one_size_and_do_not_meet() {
        for (count, size) in [(3, [400, 300]), (4, [300, 400]), (2, [5000, 1]), (4, [1, 5000])] {
            let area = Rect::from_min_size(pos2(72.0, 38.0), vec2(631.0, 457.0));
            let rects = lay(area, count, size, 26.0, 1.5);
            assert_eq!(rects.len(), count);
            for (i, a) in rects.iter().enumerate() {
                assert!(area.expand(0.01).contains_rect(*a), "{a:?}");
                assert!((a.size() - rects[0].size()).length() < 1e-3);
                assert!(rects[..i].iter().all(|b| !a.intersects(*b)), "{rects:?}");
            }
        }
    }

    #[test]
    fn values_are_read_where_the_pointer_is() {
        let map = Map { size: [2, 2], values: vec![1.0, 2.0, 3.0, 4.0], mean: 2.5 };
        assert_eq!(
            [[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [1.0, 1.0]].map(|at| value_at(&map, at)),
            [1.0, 2.0, 3.0, 4.0].map(Some)
        );
        assert_eq!(value_at(&Map { size: [0, 0], values: vec![], mean: 0.0 }, [0.5, 0.5]), None);
    }
}
