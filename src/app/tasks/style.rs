//! The style task's controls: the gallery, the mix, strength and colours.

use egui::{Align2, Color32, CornerRadius, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::session::Look;
use crate::app::theme::{self, RADIUS};
use crate::app::translate_look::OWN_SIZE;
use crate::app::widgets::{caption, percent};
use crate::tasks::IDENTITY;
use crate::tasks::style::USUAL_SIDE;
use crate::zoo::StyleCard;

/// The stroke sizes on offer: the longer side the network works at, and the key of its name.
const STROKES: [(Option<u32>, &str); 4] =
    [(Some(OWN_SIZE), "stroke-own"), (Some(2048), "stroke-fine"), (None, "stroke-usual"), (Some(512), "stroke-broad")];

/// Draws the controls.
pub fn show(app: &mut App, ui: &mut Ui) {
    super::heading(app, ui, C::TaskStyle);
    let Some(model) = app.studio.stylizer.clone() else {
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label(app.words.get("model-loading"));
        });
        return;
    };
    ui.label(caption(app.words.get(if app.mixing { "style-hint-mix" } else { "style-hint" })));
    gallery(app, ui, model.styles());

    let mixing = app.words.get("mix-styles");
    if ui.checkbox(&mut app.mixing, mixing).on_hover_text(app.words.get("mix-styles-tip")).changed() && !app.mixing {
        app.session.look.mix.truncate(1);
        app.session.look.mix[0].1 = 1.0;
    }
    if app.mixing {
        mix(app, ui);
    }
    state(app, ui);
    ui.separator();

    let Look { strength, keep_colours, .. } = &mut app.session.look;
    super::blend(&app.words, ui, strength, keep_colours);
    strokes(app, ui);
    super::arithmetic(&app.words, ui, &mut app.session.look.precision, "bf16-tip");
    ui.add_space(8.0);
}

/// Says that there is no result, and that none is on its way: the job was cancelled, or failed.
fn state(app: &mut App, ui: &mut Ui) {
    let params = app.session.look.params();
    let Some(e) = app.studio.current() else { return };
    let asked = app.asked_params.as_ref().is_some_and(|(id, asked)| (*id, asked) == (e.id, &params));
    if asked && e.find(&params).is_none() && !app.studio.requested(e.id, &params) {
        ui.horizontal_wrapped(|ui| {
            ui.label(caption(app.words.get("style-none")));
            if ui.button(app.words.get("style-again")).clicked() {
                app.paint_again();
            }
        });
    }
}

/// A grid of what each style makes of the current picture.
fn gallery(app: &mut App, ui: &mut Ui, styles: &[StyleCard]) {
    const COLUMNS: usize = 4;
    let gap = 8.0;
    let side = ((ui.available_width() - gap * (COLUMNS - 1) as f32) / COLUMNS as f32).floor();
    for row in styles.chunks(COLUMNS) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for style in row {
                cell(app, ui, style, side);
            }
        });
    }
}

fn cell(app: &mut App, ui: &mut Ui, style: &StyleCard, side: f32) {
    let name = app.style_name(&style.id);
    let chosen = app.session.look.mix.iter().any(|(id, _)| *id == style.id);
    let (rect, r) = ui.allocate_exact_size(vec2(side, side + 18.0), Sense::click());
    let picture = Rect::from_min_size(rect.min, vec2(side, side));
    if ui.is_rect_visible(rect) {
        let dark = ui.visuals().dark_mode;
        let radius = CornerRadius::same(RADIUS);
        let sample = app.studio.current().and_then(|e| e.gallery.get(&style.id));
        // Until the sample is there, the painting itself stands in, dimmed.
        let (image, tint) = match (sample, app.paintings.get(&style.id)) {
            (Some(s), _) => (Some(s), Color32::WHITE),
            (None, p) => (p, Color32::from_white_alpha(110)),
        };
        ui.painter().rect_filled(picture, radius, ui.visuals().faint_bg_color);
        if let Some(image) = image {
            let [w, h] = image.size().map(|v| v as f32);
            let (u, v) = ((w.min(h) / w) / 2.0, (w.min(h) / h) / 2.0);
            let uv = Rect::from_min_max(pos2(0.5 - u, 0.5 - v), pos2(0.5 + u, 0.5 + v));
            egui::Image::from_texture((image.id(), image.size_vec2()))
                .uv(uv)
                .corner_radius(radius)
                .tint(tint)
                .paint_at(ui, picture);
        }
        let stroke = if chosen {
            Stroke::new(3.0, theme::accent(dark))
        } else if r.hovered() || r.has_focus() {
            Stroke::new(2.0, ui.visuals().widgets.hovered.fg_stroke.color)
        } else {
            Stroke::NONE
        };
        ui.painter().rect_stroke(picture, radius, stroke, egui::StrokeKind::Inside);
        let colour = if chosen { ui.visuals().strong_text_color() } else { ui.visuals().text_color() };
        let mut job =
            egui::text::LayoutJob::simple_singleline(name.clone(), FontId::proportional(theme::CAPTION), colour);
        job.wrap = egui::text::TextWrapping::truncate_at_width(side);
        let galley = ui.fonts_mut(|f| f.layout_job(job));
        let at = Align2::CENTER_TOP.anchor_size(pos2(picture.center().x, picture.bottom() + 2.0), galley.size()).min;
        ui.painter().galley(at, galley, colour);
    }
    let enabled = r.enabled();
    r.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, chosen, &name));
    let r = r.on_hover_ui(|ui| {
        ui.set_max_width(240.0);
        if let Some(p) = app.paintings.get(&style.id) {
            ui.add(
                egui::Image::from_texture((p.id(), p.size_vec2()))
                    .max_width(220.0)
                    .corner_radius(CornerRadius::same(4)),
            );
        }
        ui.label(RichText::new(&style.title).strong());
        ui.label(caption(format!("{}, {}", style.artist, style.year)));
    });
    if r.clicked() {
        let many = app.mixing || ui.input(|i| i.modifiers.command || i.modifiers.shift);
        app.pick_style(&style.id, many);
    }
}

/// One weight per chosen style; and the photo itself, which the network knows as a style of its own.
fn mix(app: &mut App, ui: &mut Ui) {
    let total: f32 = app.session.look.mix.iter().map(|(_, w)| w).sum();
    let rows: Vec<_> = app.session.look.mix.iter().map(|(id, _)| app.style_name(id)).collect();
    let hint = app.words.get("mix-weight-tip");
    for ((_, weight), name) in app.session.look.mix.iter_mut().zip(rows) {
        let share = format!("{:.0}", *weight / total.max(1e-6) * 100.0);
        let shown = app.words.with("mix-share", [("style", name), ("share", share)]);
        percent(ui, weight, 1.0, &shown, &hint);
        // A weight of nothing would leave nothing to mix.
        *weight = weight.max(0.01);
    }
    let mut photo = app.session.look.mix.iter().any(|(id, _)| id == IDENTITY);
    let text = app.words.get("mix-photo");
    if ui.checkbox(&mut photo, text).on_hover_text(app.words.get("mix-photo-tip")).changed() {
        app.pick_style(IDENTITY, true);
    }
}

fn strokes(app: &mut App, ui: &mut Ui) {
    let Some(longer) = app.studio.current().map(|e| e.picture.width().max(e.picture.height())) else { return };
    let pixels = |size: Option<u32>| size.unwrap_or(USUAL_SIDE).min(longer);
    let label =
        |app: &App, (size, key): (Option<u32>, &str)| app.words.with(key, [("pixels", i64::from(pixels(size)))]);
    ui.horizontal(|ui| {
        let name = app.words.get("stroke");
        let text = ui.label(&name).id;
        let now = STROKES.iter().find(|s| s.0 == app.session.look.longer_side).copied().unwrap_or(STROKES[2]);
        let r = egui::ComboBox::from_id_salt("stroke")
            .selected_text(label(app, now))
            .width(ui.available_width())
            .show_ui(ui, |ui| {
                // Sizes beyond the picture's own would do nothing, and its own may be the usual one.
                let differs = |size: u32| if size == OWN_SIZE { longer > USUAL_SIDE } else { size < longer };
                for s in STROKES.into_iter().filter(|s| s.0.is_none_or(differs)) {
                    let text = label(app, s);
                    ui.selectable_value(&mut app.session.look.longer_side, s.0, text);
                }
            });
        r.response.labelled_by(text).on_hover_text(app.words.get("stroke-tip"));
    });
}
