//! The bar at the bottom: the picture's facts, the job under way, the GPU.

use egui::{Button, Panel, ProgressBar, Role, Ui};
use lucide_icons::Icon;

use crate::app::App;
use crate::app::commands::Command as C;
use crate::app::widgets::{caption, elide, icon, named};
use crate::app::workers::NetJob;

/// Draws the bar.
pub fn show(app: &mut App, ui: &mut Ui) {
    Panel::bottom("status-bar").exact_size(30.0).show(ui, |ui| {
        let narrow = ui.available_width() < 1000.0;
        ui.horizontal_centered(|ui| {
            if let Some(e) = app.studio.current() {
                let p = &e.picture;
                let depth =
                    if p.is_sixteen_bit() { format!(" {}", app.words.get("sixteen-bit")) } else { String::new() };
                let name = elide(&e.name, if narrow { 18 } else { 36 });
                let text = format!("{name}   {} × {}   {}{depth}", p.width(), p.height(), p.colour_name());
                ui.label(caption(text))
                    .on_hover_text(e.path.as_ref().map_or(e.name.clone(), |p| p.display().to_string()));
            }
            ui.separator();
            job(app, ui);
            if !narrow || app.studio.nets.is_idle() {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let name = elide(&app.gpu_name, 48);
                    let megabytes = app.gpu_memory.as_mut().and_then(|memory| memory.bytes()).map(|b| b >> 20);
                    let (text, tip) = match megabytes {
                        Some(megabytes) => {
                            let facts = [("name", app.gpu_name.clone()), ("megabytes", megabytes.to_string())];
                            (format!("{name}   {megabytes} MB"), app.words.with("gpu-memory", facts))
                        }
                        None => (name, app.gpu_name.clone()),
                    };
                    ui.label(caption(text)).on_hover_text(tip);
                });
            }
        });
    });
}

fn job(app: &mut App, ui: &mut Ui) {
    let Some(running) = app.studio.nets.running() else {
        let text = match (app.studio.writing(), app.studio.reading()) {
            _ if app.studio.files.is_idle() => app.words.get("status-ready"),
            (0, 0) => app.words.get("status-files"),
            (0, count) => app.words.with("status-reading", [("count", count)]),
            (count, _) => app.words.with("status-writing", [("count", count)]),
        };
        ui.label(caption(text));
        return;
    };
    let what = match &*running.job {
        NetJob::Load => app.words.get("job-load"),
        NetJob::Gallery { .. } => app.words.get("job-gallery"),
        NetJob::Segment { asked, .. } => app.words.with("job-segment", [("model", app.model_name(&asked.model))]),
        NetJob::Meet { model } => app.words.with("job-meet", [("model", app.model_name(&model.id))]),
        NetJob::Translate { asked, .. } => {
            let way = app.way(&asked.model, asked.params.direction);
            app.words.with("job-translate", [("model", app.model_name(&asked.model.id)), ("way", way)])
        }
        NetJob::Caption { asked, .. } => app.words.with("job-caption", [("model", app.model_name(&asked.model))]),
        NetJob::Preview { params, .. } | NetJob::Style { params, .. } => {
            app.words.with("job-style", [("style", app.mix_name(&params.mix))])
        }
    };
    ui.label(caption(elide(&what, 44))).on_hover_text(&what);
    let done = running.done;
    let bar = ProgressBar::new(done).desired_width(120.0).desired_height(8.0);
    ui.add(bar);
    let left = running.time_left().map(|t| {
        let s = t.as_secs_f32().ceil() as u64;
        app.words.with("time-left", [("time", format!("{}:{:02}", s / 60, s % 60))])
    });
    ui.label(caption(format!("{:.0} %   {}", done * 100.0, left.unwrap_or_default())));
    // The time left runs down between two reports.
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(250));
    let cancel = app.words.get("cmd-cancel");
    // No higher than the text beside it: the bar must not grow while a job runs.
    let r = named(ui.add(Button::new(icon(Icon::X)).small()), Role::Button, &cancel);
    if r.on_hover_text(app.words.get("cmd-cancel-tip")).clicked() {
        app.ask(C::CancelJob);
    }
    let waiting = app.studio.nets.waiting().len();
    if waiting > 0 {
        ui.label(caption(app.words.with("jobs-waiting", [("count", waiting)])));
    }
    let writing = app.studio.writing();
    if writing > 0 {
        ui.label(caption(app.words.with("status-writing", [("count", writing)])));
    }
}
