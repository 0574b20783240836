//! The canvas: the picture, near or far, beside or over what the network made of it.

use egui::{
    Align2, Color32, CursorIcon, EventFilter, FontId, Key, Pos2, Rect, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo,
    pos2, vec2,
};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::entry::PictureId;
use crate::app::panels::captions;
use crate::app::panels::menu_bar::tip;
use crate::app::panels::panes;
use crate::app::panels::regions::{self, Place, Side};
use crate::app::panels::sight::{loupe, navigate};
use crate::app::segment_look::Asked;
use crate::app::session::{CompareMode, Task};
use crate::app::theme;
use crate::app::translate_look::Part;
use crate::app::widgets::{caption, icon, icon_only, icon_toggle, main_button, named};
use crate::app::workers::NetJob;
use crate::gpu::{Compare, Over, Pane, Scene, View, paint};
use crate::tasks::percent;

/// Widths of the two bars below the picture, their distance from the canvas's sides, and how wide that must be for both.
const COMPARE_BAR: f32 = 216.0;
const ZOOM_BAR: f32 = 188.0;
const MARGIN: f32 = 12.0;
const BOTH_BARS: f32 = 560.0;

/// Draws the canvas.
pub fn show(app: &mut App, ui: &mut Ui) {
    let rect = ui.max_rect();
    app.canvas.below = 0.0;
    let r = ui.interact(rect, ui.scope_id().with("canvas"), Sense::click_and_drag());
    let Some((id, name, size)) = app.studio.current().map(|e| (e.id, e.name.clone(), e.picture.size())) else {
        invitation(app, ui, rect);
        hovering(app, ui, rect);
        return;
    };
    let label = app.words.with("canvas-label", [("name", name)]);
    r.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, &label));

    if app.session.task == Task::Caption {
        captions::show(app, ui, &r, (id, size));
        progress_line(app, ui, rect, id);
        hovering(app, ui, rect);
        return;
    }
    let translating = app.studio.current().filter(|_| app.session.task == Task::Translate);
    let panes = translating.map(|e| app.panes(e, false)).unwrap_or_default();
    if !panes.is_empty() {
        let view = panes::show(app, ui, &r, (id, size), &panes);
        zoom_bar(app, ui, rect, view);
        progress_line(app, ui, rect, id);
        hovering(app, ui, rect);
        return;
    }
    let ppp = ui.ctx().pixels_per_point();
    let original = app.studio.original();
    let Laid { mut over, main, against } = laid(app);
    let has_result = !matches!(over, Over::Nothing);
    let holding = app.canvas.holding || (ui.input(|i| i.key_down(Key::Space)) && !ui.ctx().text_edit_focused());
    let compare = match app.session.compare {
        _ if holding || !has_result => Compare::Original,
        CompareMode::Result => Compare::Result,
        CompareMode::Split => Compare::Split { at: app.session.split },
        CompareMode::SideBySide => Compare::SideBySide,
        // Between a photo and a map of numbers there is none.
        CompareMode::Difference if matches!(over, Over::Scalar { .. }) => Compare::Result,
        CompareMode::Difference => Compare::Difference,
    };
    let mapped = matches!(over, Over::Scalar { .. });
    let panes = compare.panes([rect.width() * ppp, rect.height() * ppp]);
    let pane_at = |p: Pos2| {
        let p = (p - rect.min) * ppp;
        let pane = panes.iter().rev().find(|n| p.x >= n.offset[0]).unwrap_or(&panes[0]);
        [p.x - pane.offset[0], p.y - pane.offset[1]]
    };
    let pane = panes[0].size;

    // Room for the bars below, and as much above, so that the picture stays in the middle.
    let view = navigate(app, ui, &r, (id, size), pane, [24.0, 60.0], pane_at);
    let whole = |n: &Pane| {
        Rect::from_min_size(rect.min + vec2(n.offset[0], n.offset[1]) / ppp, vec2(n.size[0], n.size[1]) / ppp)
    };
    // What lies where: the last is the result's, one before it that of what it is compared with.
    let mut sides: Vec<Side> = panes
        .iter()
        .map(|n| Side { part: whole(n), place: Place { rect: whole(n), view, size }, shows: None })
        .collect();
    if let Compare::Split { at } = compare {
        let x = within(split_at(rect, view, size, pane, at, ppp), rect, 0.0);
        let place = sides[0].place;
        sides = [Rect::everything_left_of(x), Rect::everything_right_of(x)]
            .map(|half| Side { part: rect.intersect(half), place, shows: None })
            .into();
    }
    let mut titles = [against.as_ref(), main.as_ref()].map(|asked| asked.map(|asked| app.model_name(&asked.model)));
    // Until it is there the photo stands in its place.
    if let ([missing @ None, Some(_)], Some(other)) = (&mut titles, &app.session.segment.other)
        && !mapped
    {
        let (model, photo) = (app.model_name(other), app.words.get("original"));
        *missing = Some(app.words.with("compare-missing", [("photo", photo), ("model", model)]));
    }
    let other = against.clone().filter(|_| compare == Compare::Difference);
    if compare != Compare::Original {
        let mut shown = [main, against].into_iter();
        sides.iter_mut().rev().for_each(|side| side.shows = shown.next().flatten());
    }
    let hovered = regions::hovered(app, ui, &r, &sides);
    if let Over::Labels { overlay, .. } = &mut over {
        overlay.lit = hovered.or(overlay.lit);
    }
    regions::clicked(app, ui, &r, &sides);
    if let Some(original) = original {
        let surround = theme::surround(ui.visuals().dark_mode);
        let scene = Scene { original, over, compare, view, surround, pixel_grid: true };
        ui.painter().add(paint(scene.clone(), rect));
        loupe(ui, &r, scene, size, pane, pane_at);
    } else {
        ui.put(Rect::from_center_size(rect.center(), vec2(32.0, 32.0)), egui::Spinner::new());
    }
    if compare != Compare::Difference {
        sides.iter().for_each(|side| regions::names(app, ui, side));
    }
    if let Compare::Split { .. } = compare {
        split_line(app, ui, rect, view, size, pane);
    }
    let disagreement = other.as_ref().and_then(|other| regions::disagreement(app, &sides, other));
    name_sides(app, ui, &sides, titles, disagreement, compare, holding && has_result);
    regions::legend(app, ui, rect, &sides);
    compare_bar(app, ui, rect, has_result, mapped);
    if rect.width() >= BOTH_BARS {
        zoom_bar(app, ui, rect, view);
    }
    regions::tell(app, ui, &r, &sides, other.as_ref());
    progress_line(app, ui, rect, id);
    hovering(app, ui, rect);
}

/// What is laid over the picture; of segmentations which, and which it is compared with, if any.
struct Laid {
    over: Over,
    main: Option<Asked>,
    against: Option<Asked>,
}

/// What the chosen task has made of the shown picture, as far as it is there. Asks for uploads that are missing.
fn laid(app: &mut App) -> Laid {
    let nothing = Laid { over: Over::Nothing, main: None, against: None };
    match app.session.task {
        Task::Style => match app.studio.textures(&app.session.look.params()).1 {
            Some(result) => {
                let over = Over::Picture { result, blend: app.session.look.blend() };
                Laid { over, ..nothing }
            }
            None => nothing,
        },
        Task::Segment => segmentation(app).unwrap_or(nothing),
        Task::Translate => Laid { over: translation(app).unwrap_or_default(), ..nothing },
        // It has a canvas of its own.
        Task::Caption => nothing,
    }
}

fn segmentation(app: &mut App) -> Option<Laid> {
    let look = &app.session.segment;
    let e = app.studio.current()?;
    let s = e.segmentation_so_far(&look.asked())?;
    let against = look.asked_other().and_then(|other| e.segmentation_against(s, &other)).map(|o| o.asked.clone());
    let (main, overlay, tint, map) = (s.asked.clone(), look.overlay(s, None), look.tint(), look.map(s));
    if let Some(map) = map.and_then(|map| app.studio.map_texture(&main, map)) {
        return Some(Laid { over: Over::Scalar { map, tint }, main: Some(main), against: None });
    }
    let labels = app.studio.label_texture(&main)?;
    let with = against.and_then(|asked| app.studio.label_texture(&asked).map(|texture| (asked, texture)));
    let (against, other) = with.unzip();
    Some(Laid { over: Over::Labels { labels, other, overlay }, main: Some(main), against })
}

fn translation(app: &mut App) -> Option<Over> {
    let asked = app.translation_asked()?;
    let found = app.studio.current()?.translation_so_far(&asked)?.asked.clone();
    let result = app.studio.part_texture(&found, Part::Result)?;
    Some(Over::Picture { result, blend: app.session.translate.blend() })
}

/// Says which is which: the original and the result, or two models.
fn name_sides(
    app: &App,
    ui: &Ui,
    sides: &[Side],
    [against, main]: [Option<String>; 2],
    disagreement: Option<f64>,
    compare: Compare,
    holding: bool,
) {
    let corner = |side: &Side| side.part.left_top() + vec2(12.0, 12.0);
    let original = app.words.get("original");
    match (compare, sides) {
        (Compare::SideBySide, [left, right]) => {
            badge(ui, corner(left), Align2::LEFT_TOP, against.as_ref().unwrap_or(&original));
            badge(ui, corner(right), Align2::LEFT_TOP, &main.unwrap_or_else(|| app.words.get("result")));
        }
        (Compare::Split { .. }, [left, right]) => {
            let [left, right] = [left.part.left_top(), right.part.right_top()];
            badge(ui, left + vec2(12.0, 12.0), Align2::LEFT_TOP, against.as_ref().unwrap_or(&original));
            let main = main.unwrap_or_else(|| app.words.get("result"));
            badge(ui, right + vec2(-12.0, 12.0), Align2::RIGHT_TOP, &main);
        }
        (Compare::Difference, [side]) => {
            let (Some(other), Some(model), Some(share)) = (against, main, disagreement) else { return };
            let facts = [("other", other), ("model", model), ("share", percent(share))];
            badge(ui, corner(side), Align2::LEFT_TOP, &app.words.with("segment-disagree", facts));
        }
        (Compare::Original, [side]) if holding => badge(ui, corner(side), Align2::LEFT_TOP, &original),
        _ => {}
    }
}

/// Where the split's line stands in the window, from its left, in points.
fn split_at(rect: Rect, view: View, size: [u32; 2], pane: [f32; 2], at: f32, ppp: f32) -> f32 {
    rect.left() + view.picture_to_screen([at * size[0] as f32, 0.0], pane)[0] / ppp
}

/// `x` brought between the sides of `rect`, `margin` from them; of one too narrow for that, its left.
fn within(x: f32, rect: Rect, margin: f32) -> f32 {
    x.min(rect.right() - margin).max(rect.left() + margin)
}

/// The split's line with its round handle.
fn split_line(app: &mut App, ui: &mut Ui, rect: Rect, view: View, size: [u32; 2], pane: [f32; 2]) {
    let ppp = ui.ctx().pixels_per_point();
    let screen = |at: f32, y: f32| {
        let p = view.picture_to_screen([at * size[0] as f32, y], pane);
        pos2(rect.left() + p[0] / ppp, rect.top() + p[1] / ppp)
    };
    let (top, bottom) = (screen(app.session.split, 0.0), screen(app.session.split, size[1] as f32));
    let x = within(top.x, rect, 2.0);
    let line = Rect::from_min_max(pos2(x, top.y.max(rect.top())), pos2(x, bottom.y.min(rect.bottom())));
    let handle = pos2(x, line.center().y);
    let r = ui.interact(line.expand2(vec2(10.0, 0.0)), ui.scope_id().with("split"), Sense::click_and_drag());
    let name = app.words.get("split-handle");
    let value = f64::from(app.session.split);
    r.widget_info(|| WidgetInfo::slider(true, value, &name));
    if let Some(p) = r.interact_pointer_pos().filter(|_| r.dragged()) {
        let at = view.screen_to_picture([(p.x - rect.left()) * ppp, 0.0], pane)[0] / size[0] as f32;
        app.session.split = at.clamp(0.0, 1.0);
    }
    if r.double_clicked() {
        app.session.split = 0.5;
    }
    if r.has_focus() {
        let arrows = EventFilter { horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(r.id, arrows));
        let keys = ui.input(|i| i32::from(i.key_pressed(Key::ArrowRight)) - i32::from(i.key_pressed(Key::ArrowLeft)));
        app.session.split = (app.session.split + keys as f32 * 0.02).clamp(0.0, 1.0);
    }
    let hot = r.hovered() || r.dragged() || r.has_focus();
    if hot {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    let p = ui.painter();
    p.line_segment([line.center_top(), line.center_bottom()], Stroke::new(3.0, Color32::from_black_alpha(90)));
    p.line_segment([line.center_top(), line.center_bottom()], Stroke::new(1.5, Color32::WHITE));
    let fill = if hot { theme::accent(true) } else { Color32::WHITE };
    p.circle(handle, 15.0, fill, Stroke::new(1.0, Color32::from_black_alpha(120)));
    p.text(
        handle,
        Align2::CENTER_CENTER,
        char::from(Icon::ChevronsLeftRight),
        FontId::proportional(18.0),
        Color32::from_gray(30),
    );
}

/// A short text on a dark ground.
pub(super) fn badge(ui: &Ui, at: Pos2, anchor: Align2, text: &str) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(theme::CAPTION), Color32::WHITE);
    let rect = anchor.anchor_size(at, galley.size() + vec2(16.0, 8.0));
    ui.painter().rect_filled(rect, theme::RADIUS, Color32::from_black_alpha(170));
    ui.painter().galley(rect.min + vec2(8.0, 4.0), galley, Color32::WHITE);
}

/// A thin line along the top: how far the job for this picture is. The old result stays in view meanwhile.
fn progress_line(app: &App, ui: &Ui, rect: Rect, id: PictureId) {
    let Some(running) = app.studio.nets.running() else { return };
    let shown = !matches!(&*running.job, NetJob::Gallery { .. } | NetJob::Preview { .. });
    if shown && running.job.entry() == Some(id) {
        let line = Rect::from_min_size(rect.min, vec2(rect.width() * running.done, 3.0));
        ui.painter().rect_filled(line, 0, theme::accent(ui.visuals().dark_mode));
    }
}

/// A floating bar of the canvas, anchored at the bottom.
fn bar(ui: &mut Ui, at: Pos2, anchor: Align2, width: f32, add: impl FnOnce(&mut Ui)) {
    let rect = anchor.anchor_size(at, vec2(width, 38.0));
    let fill = ui.visuals().window_fill;
    ui.painter().rect(rect, 8, fill, ui.visuals().window_stroke, egui::StrokeKind::Inside);
    // Clicks between the buttons must not reach the canvas below.
    ui.interact(rect, ui.scope_id().with(("bar", anchor.x() as i8)), Sense::click_and_drag());
    let mut inner = ui.new_child(
        UiBuilder::new()
            .max_rect(rect.shrink2(vec2(6.0, 4.0)))
            .layout(egui::Layout::left_to_right(egui::Align::Center)),
    );
    inner.spacing_mut().item_spacing.x = 4.0;
    add(&mut inner);
}

fn compare_bar(app: &mut App, ui: &mut Ui, rect: Rect, has_result: bool, mapped: bool) {
    const MODES: [(C, CompareMode); 4] = [
        (C::CompareResult, CompareMode::Result),
        (C::CompareSplit, CompareMode::Split),
        (C::CompareSideBySide, CompareMode::SideBySide),
        (C::CompareDifference, CompareMode::Difference),
    ];
    // In the middle, unless the bar for zooming stands there.
    let middle = rect.center().x.max(rect.left() + MARGIN + ZOOM_BAR + 8.0 + COMPARE_BAR / 2.0);
    let middle = if rect.width() < BOTH_BARS { rect.center().x } else { middle };
    bar(ui, pos2(middle, rect.bottom() - MARGIN), Align2::CENTER_BOTTOM, COMPARE_BAR, |ui| {
        let (none, no_difference) = (app.words.get("needs-result"), app.words.get("needs-classes"));
        ui.add_enabled_ui(has_result, |ui| {
            for (c, mode) in MODES {
                let name = app.words.get(c.key());
                let keys = c.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
                let text = format!("{}  ({keys})", tip(&app.words, c));
                let (able, why) = match mode {
                    CompareMode::Difference if mapped => (false, &no_difference),
                    _ => (true, &none),
                };
                let on = able && app.session.compare == mode;
                let r = ui.add_enabled_ui(able, |ui| icon_toggle(ui, on, c.icon(), &name)).inner;
                if r.on_hover_text(text).on_disabled_hover_text(why).clicked() {
                    app.ask(c);
                }
            }
            let hold = app.words.get("hold-original");
            let r = ui.add(egui::Button::new(icon(Icon::Eye).size(16.0)).sense(Sense::click_and_drag()));
            let r = named(r, Role::Button, &hold).on_hover_text(app.words.get("hold-original-tip"));
            app.canvas.holding = r.on_disabled_hover_text(&none).is_pointer_button_down_on();
        });
    });
}

fn zoom_bar(app: &mut App, ui: &mut Ui, rect: Rect, view: View) {
    let at = rect.left_bottom() + vec2(MARGIN, -MARGIN);
    bar(ui, at, Align2::LEFT_BOTTOM, ZOOM_BAR, |ui| zoom_buttons(app, ui, view));
}

/// The buttons for zooming, in a row.
pub(super) fn zoom_buttons(app: &mut App, ui: &mut Ui, view: View) {
    for c in [C::ZoomOut, C::ZoomIn, C::ZoomFit] {
        let name = app.words.get(c.key());
        if icon_only(ui, c.icon(), &name).on_hover_text(tip(&app.words, c)).clicked() {
            app.ask(c);
        }
    }
    let text = format!("{:.0} %", view.zoom * 100.0);
    let name = app.words.get("zoom-now");
    let r = ui.add(egui::Button::new(caption(&text)).frame_when_inactive(false).min_size(vec2(52.0, 26.0)));
    if named(r, Role::Button, &name).on_hover_text(tip(&app.words, C::ZoomOne)).clicked() {
        app.ask(C::ZoomOne);
    }
}

/// The empty canvas is an invitation.
fn invitation(app: &mut App, ui: &mut Ui, rect: Rect) {
    let busy = !app.studio.files.is_idle();
    let area = Rect::from_center_size(rect.center(), vec2(420.0, 240.0));
    ui.scope_builder(UiBuilder::new().max_rect(area).layout(egui::Layout::top_down(egui::Align::Center)), |ui| {
        if busy {
            ui.add_space(90.0);
            ui.spinner();
            return;
        }
        egui::Frame::window(ui.style()).inner_margin(24).show(ui, |ui| {
            ui.set_width(372.0);
            ui.label(icon(Icon::ImagePlus).size(40.0).weak());
            ui.heading(app.words.get("invitation"));
            ui.label(app.words.get("invitation-more"));
            ui.add_space(4.0);
            let open = app.words.get("cmd-open");
            if named(ui.add(main_button(ui, &open, Icon::ImagePlus)), Role::Button, &open).clicked() {
                app.ask(C::Open);
            }
            for c in [C::Paste, C::OpenSamples] {
                if ui.link(app.words.get(c.key())).clicked() {
                    app.ask(c);
                }
            }
        });
    });
}

/// Shows where a dragged file will land.
fn hovering(app: &App, ui: &Ui, rect: Rect) {
    let count = ui.input(|i| i.raw.hovered_files.len());
    if count == 0 {
        return;
    }
    let p = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, ui.scope_id().with("drop")));
    let accent = theme::accent(ui.visuals().dark_mode);
    p.rect_filled(rect, 0, Color32::from_black_alpha(150));
    p.rect_stroke(rect.shrink(12.0), 12, Stroke::new(3.0, accent), egui::StrokeKind::Inside);
    p.text(
        rect.center() - vec2(0.0, 28.0),
        Align2::CENTER_CENTER,
        char::from(Icon::ImagePlus),
        FontId::proportional(44.0),
        Color32::WHITE,
    );
    let text = app.words.with("drop-here", [("count", count)]);
    p.text(rect.center() + vec2(0.0, 20.0), Align2::CENTER_CENTER, text, FontId::proportional(18.0), Color32::WHITE);
}
