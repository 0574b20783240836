//! All words of a sentence on one sheet, each under the picture with its map, as in the paper's figures.

use egui::{Align2, FontId, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use super::captions::{Line, gaze, scene};
use super::panes::{GAP, lay, places};
use super::sight::navigate;
use crate::app::App;
use crate::app::caption_look::CaptionView;
use crate::app::captioned::Step;
use crate::app::entry::PictureId;
use crate::app::tasks::caption::percents;
use crate::app::theme;
use crate::gpu::{View, paint};

/// Around the pictures, in points.
const MARGIN: [f32; 2] = [6.0, 2.0];
/// What a word needs of width even under a narrow picture.
const LEAST: [f32; 2] = [84.0, 8.0];

/// The same cells as close to each other as their pictures allow, in the middle of the area; with room for the words below
/// them and not above.
fn close(rects: &[Rect], area: Rect, size: [u32; 2], label: f32, ppp: f32) -> Vec<Rect> {
    let Some(first) = rects.first() else { return Vec::new() };
    let picture = size.map(|side| side.max(1) as f32);
    let room = [first.width() - 2.0 * MARGIN[0], first.height() - 2.0 * MARGIN[1]].map(|side| side.max(1.0));
    let zoom = (room[0] / picture[0]).min(room[1] / picture[1]);
    let side = |i: usize, whole: f32| {
        let side = (picture[i] * zoom + 2.0 * MARGIN[i]).max(LEAST[i]).min(whole);
        (side * ppp).floor().max(1.0) / ppp
    };
    let cell = vec2(side(0, first.width()), side(1, first.height()));
    let columns = rects.iter().filter(|rect| rect.top() == first.top()).count().max(1);
    let gap = vec2(GAP, label + GAP);
    let rows = rects.len().div_ceil(columns);
    let whole = vec2(columns as f32, rows as f32) * (cell + gap) - vec2(GAP, GAP);
    let corner = (area.center() - whole / 2.0).max(area.min);
    // On whole pixels, as everything that pictures are drawn in.
    let corner = (corner.to_vec2() * ppp).round() / ppp;
    let place = |i: usize| vec2((i % columns) as f32, (i / columns) as f32) * (cell + gap);
    (0..rects.len()).map(|i| Rect::from_min_size((corner + place(i)).to_pos2(), cell)).collect()
}

/// Draws the sheet, and returns from where its pictures are seen.
pub fn show(
    app: &mut App,
    ui: &mut Ui,
    r: &Response,
    area: Rect,
    (id, size): (PictureId, [u32; 2]),
    line: &Line,
) -> View {
    let ppp = ui.ctx().pixels_per_point();
    let told = line.told().map(|(told, _)| told.clone()).filter(|told| told.attends());
    let words = told.as_ref().and_then(|told| told.sentence()).map_or(0, |s| s.words.len());
    // Small cells have small letters.
    let cells = words + 1;
    let roomy = lay(area.shrink(6.0), cells, size, 0.0, ppp).first().map_or(0.0, |cell| cell.width());
    let type_size = if roomy >= 150.0 { 17.0 } else { 13.5 };
    let label = type_size + theme::CAPTION + 14.0;
    let rects = close(&lay(area.shrink(6.0), cells, size, label, ppp), area, size, label, ppp);
    let (pane, pane_at) = places(&rects, ppp);
    let view = navigate(app, ui, r, (id, size), pane, MARGIN, pane_at);
    let v = ui.visuals().clone();
    // The surround is a grey of its own, on which the theme's inks are not made to be read.
    let (ink, faint) = (egui::Color32::WHITE, egui::Color32::from_gray(if v.dark_mode { 165 } else { 255 }));
    for (cell, rect) in rects.iter().enumerate() {
        let step = cell.checked_sub(1).map_or(Step::Nothing, Step::Word);
        if let Some(scene) = scene(app, ui, line, step, view) {
            ui.painter().add(paint(scene, *rect));
        }
        let whole = Rect::from_min_max(rect.min, rect.max + vec2(0.0, label));
        let (text, share) = match (&told, step) {
            (Some(told), Step::Word(at)) => {
                let Some(word) = told.word(at) else { continue };
                (app.words.said(&word.text), percents(word.log_prob.exp()))
            }
            _ => (app.words.get("original"), String::new()),
        };
        let middle = rect.center_bottom() + vec2(0.0, 3.0);
        let painter = ui.painter().with_clip_rect(whole.intersect(area));
        painter.text(middle, Align2::CENTER_TOP, &text, FontId::proportional(type_size), ink);
        let under = middle + vec2(0.0, type_size + 4.0);
        painter.text(under, Align2::CENTER_TOP, &share, FontId::proportional(theme::CAPTION), faint);
        let (Some(told), Step::Word(at)) = (&told, step) else { continue };
        let r = ui.interact(whole, ui.scope_id().with(("cell", at)), Sense::click());
        let chosen = app.reading.step == step;
        if chosen || r.hovered() || r.has_focus() {
            let (width, ink) = if chosen { (3.0, theme::accent(true)) } else { (1.5, ink) };
            ui.painter().rect_stroke(whole.expand(2.0), theme::RADIUS, Stroke::new(width, ink), StrokeKind::Inside);
        }
        let name = app.words.with("word-map", [("name", super::caption_bar::name(app, told, at))]);
        r.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, &name));
        if let Some(gaze) = gaze(app, told, step) {
            ui.ctx().accesskit_node_builder(r.id, |node| node.set_description(gaze));
        }
        if r.clicked() {
            app.reading.step = step;
            app.session.caption.view = CaptionView::Picture;
        }
    }
    if line.told().is_some() && told.is_none() {
        let text = app.words.get("caption-no-attention");
        super::canvas::badge(ui, area.center_top() + vec2(0.0, 12.0), Align2::CENTER_TOP, &text);
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn cells_lie_within_the_area_and_apart_with_their_words() {
        let (label, ppp) = (40.0, 1.5);
        for (count, size) in [(1, [400, 300]), (12, [224, 224]), (13, [1280, 720]), (51, [300, 900]), (9, [5000, 1])] {
            let area = Rect::from_min_size(pos2(72.0, 38.0), vec2(888.0, 511.0));
            let cells = close(&lay(area.shrink(6.0), count, size, label, ppp), area, size, label, ppp);
            let whole = |cell: &Rect| Rect::from_min_max(cell.min, cell.max + vec2(0.0, label));
            assert_eq!(cells.len(), count);
            for (i, cell) in cells.iter().enumerate() {
                assert!(area.expand(1.0).contains_rect(whole(cell)), "{count} of {size:?}: {cell:?}");
                assert!(cells[..i].iter().all(|other| !whole(other).intersects(whole(cell))), "{count} of {size:?}");
            }
        }
    }
}
