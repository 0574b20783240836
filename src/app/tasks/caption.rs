//! The caption task's controls: the model, what is seen, which words come next, the beam's sentences, and the map.

use std::path::PathBuf;

use egui::{Align2, Button, ComboBox, FontId, Role, Sense, Slider, Ui, WidgetInfo, pos2, vec2};
use lucide_icons::Icon;

use super::{choice, heading, labelled, model_list};
use crate::app::App;
use crate::app::caption_look::{Against, CaptionLook, CaptionView};
use crate::app::captioned::{Pick, Step, Told};
use crate::app::commands::Command as C;
use crate::app::entry::PictureId;
use crate::app::panels::menu_bar::tip;
use crate::app::session::Task;
use crate::app::theme;
use crate::app::widgets::{caption, icon, icon_button, named, percent};
use crate::gpu::Colormap;
use crate::tasks::caption::{Params, Sentence, models, own_length_norm};

/// Draws the controls.
pub fn show(app: &mut App, ui: &mut Ui) {
    heading(app, ui, C::TaskCaption);
    model(app, ui);
    if app.session.caption.model.is_empty() {
        ui.label(caption(app.words.get("caption-no-model")));
        let text = app.words.get("cmd-open-checkpoint");
        if icon_button(ui, C::OpenCheckpoint.icon(), &text).on_hover_text(tip(&app.words, C::OpenCheckpoint)).clicked()
        {
            app.ask(C::OpenCheckpoint);
        }
        return;
    }
    let mut view = app.session.caption.view;
    let views = [
        (CaptionView::Picture, "view-picture"),
        (CaptionView::Words, "view-words"),
        (CaptionView::Beam, "view-beam"),
        (CaptionView::Beside, "view-beside-sentence"),
    ];
    choice(app, ui, &mut view, &views);
    app.session.caption.view = view;
    if view == CaptionView::Beside {
        beside(app, ui);
    }
    state(app, ui);
    if let Some(told) = app.told() {
        ui.separator();
        next_words(app, ui, &told);
        ui.separator();
        sentences(app, ui, &told);
    }
    ui.separator();
    search(app, ui);
    ui.separator();
    map(app, ui);
    ui.separator();
    super::arithmetic(&app.words, ui, &mut app.session.caption.precision, "caption-bf16-tip");
    ui.add_space(8.0);
}

fn shipped(app: &mut App) -> Vec<String> {
    models().iter().map(|card| card.id.clone()).chain(app.added()).collect()
}

fn checkpoints(app: &App) -> Vec<String> {
    app.session.captioners.iter().map(|p| p.display().to_string()).collect()
}

fn model(app: &mut App, ui: &mut Ui) {
    let (shipped, checkpoints) = (shipped(app), checkpoints(app));
    let mut model = app.session.caption.model.clone();
    let (name, hint) = (app.words.get("segment-model"), app.words.get("caption-model-tip"));
    labelled(ui, &name, &hint, |ui, width| model_list(app, ui, width, &mut model, &shipped, &checkpoints));
    if model != app.session.caption.model {
        app.session.caption.choose(model);
    } else if !model.is_empty() {
        ui.label(caption(app.model_hint(&model)));
    }
}

/// What the sentence stands beside.
fn beside(app: &mut App, ui: &mut Ui) {
    let mut look = app.session.caption.clone();
    let others: Vec<String> = shipped(app).into_iter().chain(checkpoints(app)).filter(|id| *id != look.model).collect();
    let now = if look.against == Against::Greedy { None } else { look.other() };
    let greedy = app.words.get("caption-greedy");
    labelled(ui, &app.words.get("caption-beside"), &app.words.get("caption-beside-tip"), |ui, width| {
        let text = now.as_ref().map_or_else(|| greedy.clone(), |id| app.model_name(id));
        let list = ComboBox::from_id_salt("beside").height(360.0).selected_text(text).width(width).truncate();
        let r = list.show_ui(ui, |ui| {
            for id in &others {
                let r = ui.selectable_label(now.as_ref() == Some(id), app.model_name(id));
                if r.on_hover_text(app.model_hint(id)).clicked() {
                    look.against = Against::Model(id.clone());
                }
            }
            let r = ui.selectable_label(now.is_none(), &greedy);
            if r.on_hover_text(app.words.get("caption-greedy-tip")).clicked() {
                look.against = Against::Greedy;
            }
        });
        app.look_for_added(&r.response);
        r
    });
    app.session.caption = look;
}

/// Whether what is seen is there, being made, or has to be asked for again.
fn state(app: &mut App, ui: &mut Ui) {
    let Some((e, asked)) = app.studio.current().zip(app.caption_asked()) else { return };
    let wanted = [Some(asked), app.caption_beside()];
    let missing: Vec<_> = wanted.into_iter().flatten().filter(|a| e.caption(a).is_none()).collect();
    if missing.is_empty() {
        return;
    }
    let busy = missing.iter().any(|a| app.studio.requested(e.id, a));
    ui.horizontal(|ui| match busy {
        true => {
            ui.spinner();
            ui.label(app.words.get("caption-running"));
        }
        false => {
            ui.label(caption(app.words.get("caption-none")));
            // It was cancelled, or failed.
            if ui.button(app.words.get("caption-again")).clicked() {
                app.caption_again();
            }
        }
    });
}

/// The likeliest words at the step that is shown, as bars; a click forces one.
fn next_words(app: &mut App, ui: &mut Ui, told: &Told) {
    let at = if let Step::Word(at) = app.reading.seen() { at.min(told.steps().saturating_sub(1)) } else { 0 };
    let Some(before) = told.before(at).and_then(|node| told.outcome.tree.nodes.get(node).map(|n| (node, n))) else {
        return;
    };
    let (said, said_so_far) = (told.word(at).map(|word| word.node), told.words_to(before.0));
    let title = match &said_so_far[..] {
        [] => app.words.get("caption-first"),
        words => {
            let few = &words[words.len().saturating_sub(4)..];
            let dots = if few.len() < words.len() { "… " } else { "" };
            app.words.with("caption-next", [("words", format!("{dots}{}", few.join(" ")))])
        }
    };
    ui.label(title).on_hover_text(app.words.get("caption-next-tip"));
    let said = said.and_then(|node| told.outcome.tree.nodes.get(node)).map(|node| node.word);
    let (mut forced, can_force) = (None, app.can_force());
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        for (word, log_prob) in &before.1.next {
            let Some(text) = told.outcome.words.word(*word) else { continue };
            let is_said = said == Some(*word);
            if bar(app, ui, &app.words.said(text), log_prob.exp(), is_said, can_force).clicked() {
                forced = Some(text.to_owned());
            }
        }
    });
    if let Some(word) = forced {
        app.force(said_so_far.into_iter().chain([word]).collect());
    }
    forced_words(app, ui);
}

/// A word with its probability as a bar behind it; a button where the word can be forced.
fn bar(app: &App, ui: &mut Ui, word: &str, probability: f32, is_said: bool, can_force: bool) -> egui::Response {
    let sense = if can_force { Sense::click() } else { Sense::hover() };
    let (rect, r) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), sense);
    let v = ui.visuals();
    let (dark, hot) = (v.dark_mode, can_force && (r.hovered() || r.has_focus()));
    let ground = if hot { v.widgets.hovered.weak_bg_fill } else { v.faint_bg_color };
    let ink = v.strong_text_color();
    let painter = ui.painter();
    painter.rect_filled(rect, theme::RADIUS, ground);
    let mut part = rect;
    part.set_width((rect.width() * probability.clamp(0.0, 1.0)).max(3.0));
    let fill = theme::accent(dark).gamma_multiply(if is_said { 0.62 } else { 0.28 });
    painter.rect_filled(part, theme::RADIUS, fill);
    if r.has_focus() {
        painter.rect_stroke(rect, theme::RADIUS, v.widgets.hovered.bg_stroke, egui::StrokeKind::Inside);
    }
    let font = FontId::proportional(13.5);
    painter.text(pos2(rect.left() + 8.0, rect.center().y), Align2::LEFT_CENTER, word, font, ink);
    let share = percents(probability);
    let small = FontId::proportional(theme::CAPTION);
    painter.text(pos2(rect.right() - 8.0, rect.center().y), Align2::RIGHT_CENTER, &share, small, ink);
    let name = app.words.with("caption-next-word", [("word", word.to_owned()), ("share", share)]);
    if !can_force {
        r.widget_info(|| WidgetInfo::labeled(Role::Label, true, &name));
        return r;
    }
    r.widget_info(|| WidgetInfo::selected(Role::Button, true, is_said, &name));
    r.on_hover_text(app.words.get("caption-next-word-tip"))
}

/// What the sentence has to begin with, and the way to let go of it.
fn forced_words(app: &mut App, ui: &mut Ui) {
    let Some(words) = app.studio.selected.and_then(|id| app.session.caption.forced.get(&id)).cloned() else { return };
    let mut keep = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        ui.label(caption(app.words.get("caption-forced")));
        for (i, word) in words.iter().enumerate() {
            let text = app.words.said(word);
            let name = app.words.with("caption-forced-word", [("word", text.clone())]);
            let r = ui.add(Button::new(&text).small().selected(true));
            if named(r, Role::Button, &name).on_hover_text(app.words.get("caption-forced-word-tip")).clicked() {
                keep = Some(i);
            }
        }
    });
    let free = app.words.get(C::FreeWords.key());
    if icon_button(ui, C::FreeWords.icon(), &free).on_hover_text(tip(&app.words, C::FreeWords)).clicked() {
        app.ask(C::FreeWords);
    }
    if let Some(keep) = keep {
        app.force(words.into_iter().take(keep).collect());
    }
}

/// The finished sentences of the beam, and greedy's.
fn sentences(app: &mut App, ui: &mut Ui, told: &Told) {
    let Some(c) = app.caption_now() else { return };
    let (beam, greedy) = (c.outcome.clone(), c.greedy.clone());
    let ended = beam.sentences.iter().any(|s| s.end.is_some());
    let title = if ended { "caption-sentences" } else { "caption-unfinished" };
    ui.label(app.words.with(title, [("count", beam.sentences.len())]));
    let rows = beam.sentences.iter().enumerate().map(|(sentence, s)| (Pick { greedy: false, sentence }, s));
    let of_greedy = greedy.iter().flat_map(|g| g.sentences.first()).map(|s| (Pick { greedy: true, sentence: 0 }, s));
    let rows: Vec<_> = rows.chain(of_greedy).map(|(pick, s)| (pick, s.clone())).collect();
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        for (pick, s) in rows {
            if row(app, ui, pick, &s, told.pick == pick) {
                let of = app.caption_now().map(|c| c.told(pick));
                let step = of.map(|told| told.sharpest()).unwrap_or_default();
                app.reading.pick(pick, step);
            }
        }
    });
}

/// A sentence with its log-probability; true when it was picked.
fn row(app: &App, ui: &mut Ui, pick: Pick, s: &Sentence, chosen: bool) -> bool {
    let width = ui.available_width();
    let mark = if pick.greedy { app.words.get("caption-greedy-short") } else { format!("{}", pick.sentence + 1) };
    let small = FontId::proportional(theme::CAPTION);
    let v = ui.visuals().clone();
    let left = if pick.greedy { 58.0 } else { 24.0 };
    let (ink, faint) = if chosen {
        (v.selection.stroke.color, v.selection.stroke.color)
    } else {
        (v.widgets.inactive.fg_stroke.color, v.weak_text_color())
    };
    let text = ui.painter().layout(app.words.sentence(s), FontId::proportional(13.5), ink, width - left - 8.0);
    let facts = ui.painter().layout_no_wrap(app.log_prob(s), small.clone(), faint);
    let (rect, r) = ui.allocate_exact_size(vec2(width, text.size().y + facts.size().y + 10.0), Sense::click());
    let ground = match (chosen, r.hovered() || r.has_focus()) {
        (true, _) => v.selection.bg_fill,
        (_, true) => v.widgets.hovered.weak_bg_fill,
        _ => v.faint_bg_color,
    };
    let painter = ui.painter();
    painter.rect_filled(rect, theme::RADIUS, ground);
    painter.text(rect.min + vec2(8.0, 7.0), Align2::LEFT_TOP, mark, small, faint);
    let at = rect.min + vec2(left, 5.0);
    let under = at + vec2(0.0, text.size().y);
    painter.galley(at, text, ink);
    painter.galley(under, facts, faint);
    let key = if pick.greedy { "caption-row-greedy" } else { "caption-row" };
    let args = [("number", format!("{}", pick.sentence + 1)), ("text", app.words.sentence(s))];
    let name = app.words.with(key, args);
    r.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, &name));
    let tip = if pick.greedy { "caption-greedy-tip" } else { "caption-row-tip" };
    r.on_hover_text(app.words.get(tip)).clicked()
}

/// How the sentence is looked for.
fn search(app: &mut App, ui: &mut Ui) {
    let d = CaptionLook::default();
    let (words, look) = (&app.words, &mut app.session.caption);
    let beam = Slider::new(&mut look.beam, Params::BEAM);
    super::slider(ui, beam, &words.get("caption-beam"), &words.get("caption-beam-tip")).then(|| look.beam = d.beam);
    let before = look.length_norm.unwrap_or(own_length_norm(&look.model));
    let mut power = before;
    let norm = Slider::new(&mut power, Params::LENGTH_NORM).step_by(0.05).fixed_decimals(2);
    if super::slider(ui, norm, &words.get("caption-length"), &words.get("caption-length-tip")) {
        look.length_norm = d.length_norm;
    } else if power != before {
        look.length_norm = Some(power);
    }
}

/// How maps are laid over the picture.
fn map(app: &mut App, ui: &mut Ui) {
    if app.told().is_some_and(|told| !told.attends()) {
        ui.horizontal_wrapped(|ui| {
            ui.label(icon(Icon::EyeOff).weak());
            ui.label(caption(app.words.get("caption-no-attention")));
        });
        return;
    }
    let mut look = app.session.caption.clone();
    let words = &app.words;
    let spotlight = ui.checkbox(&mut look.spotlight, words.get("caption-spotlight"));
    let usual = look.drawing().mode.usual_opacity();
    if spotlight.on_hover_text(words.get("caption-spotlight-tip")).changed() {
        // What is much for colours is little for a spotlight.
        look.opacity = usual;
    }
    let (name, hint) = match look.spotlight {
        true => ("caption-dim", "caption-dim-tip"),
        false => ("opacity", "opacity-tip"),
    };
    percent(ui, &mut look.opacity, usual, &words.get(name), &words.get(hint));
    if !look.spotlight {
        labelled(ui, &words.get("colormap"), &words.get("colormap-tip"), |ui, width| {
            let list =
                ComboBox::from_id_salt("colormap").selected_text(words.colormap(look.colormap)).width(width).truncate();
            list.show_ui(ui, |ui| {
                for map in Colormap::ALL {
                    ui.selectable_value(&mut look.colormap, map, words.colormap(map));
                }
            })
        });
    }
    choice(app, ui, &mut look.common_scale, &[(false, "scale-each"), (true, "scale-common")]);
    app.session.caption = look;
}

/// A probability, as short as tells it.
pub fn percents(probability: f32) -> String {
    crate::tasks::percent(f64::from(probability))
}

impl App {
    /// A sentence's log-probability, and what it is for a word.
    pub fn log_prob(&self, s: &Sentence) -> String {
        let steps = (s.words.len() + usize::from(s.end.is_some())).max(1);
        let number = |v: f32| format!("{v:.2}").replace('-', "−");
        let args = [("rank", number(s.rank)), ("sum", number(s.log_prob)), ("mean", number(s.log_prob / steps as f32))];
        self.words.with("caption-log-prob", args)
    }

    /// Asks for what the task shows and does not have.
    pub(in crate::app) fn want_captions(&mut self, id: PictureId) {
        let wanted = [self.caption_asked(), self.caption_beside()].into_iter().flatten();
        let wanted: Vec<_> = wanted.map(|asked| (id, asked)).collect();
        for (_, asked) in wanted.iter().filter(|w| !self.asked_captions.contains(w)) {
            self.studio.request(asked);
        }
        // Asked once: a job that failed or was cancelled is not started again by itself.
        self.asked_captions = wanted;
    }

    /// Asks for captions of every picture, each with its own forced words. Returns how many pictures had none.
    pub(in crate::app) fn caption_all(&mut self) -> usize {
        let look = &self.session.caption;
        self.studio.request_all(|id| [Some(look.asked(id)), look.asked_beside(id)].into_iter().flatten().collect())
    }

    /// Whether a caption is not there, and was not asked for yet.
    pub(in crate::app) fn caption_is_to_come(&self, id: PictureId, asked: &crate::app::caption_look::Asked) -> bool {
        self.studio.requested(id, asked) || !self.asked_captions.iter().any(|(i, a)| *i == id && a == asked)
    }

    /// Takes a checkpoint as the model of the caption task.
    pub(in crate::app) fn take_captioner(&mut self, path: PathBuf) {
        let model = path.display().to_string();
        // The file may hold other weights by now, and others may lie beside it.
        self.studio.outdate(&model);
        for e in &mut self.studio.entries {
            e.captioned.retain(|c| c.asked.model != model);
            e.telling.retain(|(asked, _)| asked.model != model);
        }
        let look = &mut self.session.caption;
        (look.model, look.forced) = (model, Default::default());
        self.session.task = Task::Caption;
        self.session.inspector = true;
        super::remember(&mut self.session.captioners, path);
        self.caption_again();
    }

    /// Lets captions be asked for that were cancelled or failed.
    pub fn caption_again(&mut self) {
        self.asked_captions.clear();
    }
}
