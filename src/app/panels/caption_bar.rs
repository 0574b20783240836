//! The sentence below the picture, like a subtitle: each word a button that shows where the network looked for it.

use std::sync::Arc;

use egui::{
    Align, Button, DragValue, EventFilter, FontId, Galley, Layout, Pos2, Rect, Role, Sense, Slider, Stroke, StrokeKind,
    TextStyle, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use lucide_icons::Icon;

use super::canvas::zoom_buttons;
use super::captions::{Line, Says, gaze};
use super::menu_bar::{tip, tipped};
use crate::app::App;
use crate::app::caption_look::{CaptionLook, CaptionView};
use crate::app::captioned::{Step, Told};
use crate::app::commands::Command as C;
use crate::app::tasks::caption::percents;
use crate::app::theme;
use crate::app::widgets::{asks_default, caption, icon, icon_only, icon_toggle, named};
use crate::gpu::View;

/// The sizes of type, the largest first.
const SIZES: [f32; 7] = [32.0, 28.0, 25.0, 22.0, 20.0, 18.0, 16.0];
/// What is still large where there is little room.
const LARGE: f32 = 20.0;
/// Around a word, in points.
const PAD: [f32; 2] = [7.0, 3.0];
/// Left and right of the sentence.
const SIDE: f32 = 20.0;
/// The height of the buttons' row, and of a line's name.
const ROW: f32 = 38.0;
const NAME: f32 = 18.0;

/// A word as it is set.
struct Token {
    galley: Arc<Galley>,
    /// Its place in the sentence; `None` of what is no word.
    at: Option<usize>,
}

/// The words of a line, in the lines that they take on the screen.
struct Set {
    rows: Vec<Vec<Token>>,
    high: f32,
}

/// Draws the sentences at the bottom of the canvas, and the buttons for them. Returns the part that they take.
pub fn show(app: &mut App, ui: &mut Ui, canvas: Rect, lines: &[Line]) -> Rect {
    app.reading.hovered = None;
    app.reading.word_has_focus = false;
    let width = (canvas.width() - 2.0 * SIDE).max(40.0);
    let sets = SIZES.iter().map(|size| lines.iter().map(|line| set(app, ui, line, *size, width)).collect::<Vec<_>>());
    let mut sets: Vec<_> = sets.collect();
    let fits = |at: &usize, most: usize| sets[*at].iter().all(|set| set.rows.len() <= most);
    // The largest that takes two lines; but where there is much to see above, one that takes one, if that is large still.
    let low = canvas.height() < 540.0 || matches!(app.session.caption.view, CaptionView::Beam | CaptionView::Beside);
    let one = (0..SIZES.len()).find(|at| low && SIZES[*at] >= LARGE && fits(at, 1));
    let two = || (0..SIZES.len()).find(|at| (!low || SIZES[*at] <= LARGE) && fits(at, 2));
    let at = one.or_else(two).unwrap_or(SIZES.len() - 1);
    let sets = sets.swap_remove(at);
    let names = NAME * lines.iter().filter(|line| line.title.is_some()).count() as f32;
    let words: f32 = sets.iter().map(|set| set.high * set.rows.len() as f32).sum();
    let high = 8.0 + names + words + 4.0 * (lines.len() - 1) as f32 + 4.0 + ROW + 4.0;
    // A sentence of fifty words leaves something of the picture.
    let high = high.min(canvas.height() * 0.6);
    let rect = Rect::from_min_max(pos2(canvas.left(), canvas.bottom() - high), canvas.max);
    // Clicks between the words must not reach the canvas below.
    ui.interact(rect, ui.scope_id().with("caption-bar"), Sense::click_and_drag());
    ui.painter().rect_filled(rect, 0, ui.visuals().panel_fill);
    ui.painter().hline(rect.x_range(), rect.top(), ui.visuals().widgets.noninteractive.bg_stroke);
    let mut top = rect.top() + 8.0;
    for (number, (line, set)) in lines.iter().zip(&sets).enumerate() {
        if let Some(title) = &line.title {
            let facts = line.told().and_then(|(told, _)| told.sentence()).map(|s| app.log_prob(s));
            let text = facts.map_or(title.clone(), |facts| format!("{title}   {facts}"));
            let ink = ui.visuals().weak_text_color();
            let galley = ui.painter().layout_no_wrap(text.clone(), FontId::proportional(theme::CAPTION), ink);
            let place = Rect::from_min_size(pos2(rect.center().x - galley.size().x / 2.0, top), galley.size());
            let r = ui.interact(place, ui.scope_id().with(("line", number)), Sense::hover());
            r.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
            ui.painter().galley(place.min, galley, ink);
            top += NAME;
        }
        for row in &set.rows {
            let wide: f32 = row.iter().map(|token| token.galley.size().x + 2.0 * PAD[0]).sum();
            let mut left = rect.center().x - wide / 2.0;
            for token in row {
                let place = Rect::from_min_size(pos2(left, top), token.galley.size() + 2.0 * vec2(PAD[0], PAD[1]));
                word(app, ui, number, line, token, place);
                left = place.right();
            }
            top += set.high;
        }
        top += 4.0;
    }
    let row = Rect::from_min_max(pos2(rect.left() + 8.0, rect.bottom() - ROW - 2.0), rect.max - vec2(8.0, 2.0));
    controls(app, ui, row, lines);
    rect
}

/// Sets a line in a size of type.
fn set(app: &App, ui: &Ui, line: &Line, size: f32, width: f32) -> Set {
    let token = |text: &str, size: f32, at: Option<usize>| {
        let ink = egui::Color32::PLACEHOLDER;
        Token { galley: ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size), ink), at }
    };
    let tokens: Vec<Token> = match &line.says {
        Says::Sentence(told, ..) => {
            let words = told.sentence().map_or(0, |s| s.words.len());
            let mut tokens: Vec<_> = (0..words)
                .filter_map(|at| Some(token(&app.words.said(&told.word(at)?.text), size, Some(at))))
                .collect();
            // What came to its end has a full stop, which is a word like others.
            let end = (told.steps() > words).then_some(words);
            tokens.push(token(if end.is_some() { "." } else { "…" }, size, end));
            tokens
        }
        Says::Growing(words) if words.is_empty() => {
            vec![token(&app.words.get("caption-running"), size.min(19.0), None)]
        }
        Says::Growing(words) => {
            let said = words.iter().map(|word| token(&app.words.said(word), size, None));
            said.chain([token("…", size, None)]).collect()
        }
        Says::Missing => vec![token(&app.words.get("caption-none"), size.min(19.0), None)],
    };
    let high = tokens.iter().map(|token| token.galley.size().y).fold(size, f32::max) + 2.0 * PAD[1];
    let mut rows: Vec<Vec<Token>> = vec![Vec::new()];
    let mut left = 0.0;
    for token in tokens {
        let wide = token.galley.size().x + 2.0 * PAD[0];
        let last = rows.len() - 1;
        if left + wide > width && !rows[last].is_empty() {
            rows.push(Vec::new());
            left = 0.0;
        }
        let last = rows.len() - 1;
        rows[last].push(token);
        left += wide;
    }
    Set { rows, high }
}

/// Draws a word, which is a button where it is a word of a finished sentence.
fn word(app: &mut App, ui: &mut Ui, number: usize, line: &Line, token: &Token, place: Rect) {
    let v = ui.visuals().clone();
    let (faint, text_at) = (v.weak_text_color().gamma_multiply(0.75), place.min + vec2(PAD[0], PAD[1]));
    let (Says::Sentence(told, asked, revealed), Some(at)) = (&line.says, token.at) else {
        let ink = if token.at.is_some() { faint } else { v.weak_text_color() };
        ui.painter().galley_with_override_text_color(text_at, token.galley.clone(), ink);
        return;
    };
    let r = ui.interact(place, ui.scope_id().with(("word", number, at)), Sense::click());
    if r.hovered() {
        app.reading.hovered = Some(Step::Word(at));
    }
    if r.has_focus() {
        app.reading.word_has_focus = true;
        // The arrow keys go from word to word, and not to what lies around.
        let horizontal_arrows = true;
        ui.memory_mut(|m| m.set_focus_lock_filter(r.id, EventFilter { horizontal_arrows, ..Default::default() }));
    }
    let seen = app.reading.seen() == Step::Word(at);
    let chosen = app.reading.step == Step::Word(at);
    if chosen && number == 0 && std::mem::take(&mut app.reading.give_focus) {
        r.request_focus();
    }
    let fill = match (seen, r.hovered()) {
        (true, _) => Some(theme::accent(v.dark_mode)),
        (_, true) => Some(v.widgets.hovered.weak_bg_fill),
        _ => None,
    };
    if let Some(fill) = fill {
        ui.painter().rect_filled(place, theme::RADIUS, fill);
    } else if chosen || r.has_focus() {
        ui.painter().rect_stroke(
            place,
            theme::RADIUS,
            Stroke::new(1.5, theme::accent(v.dark_mode)),
            StrokeKind::Inside,
        );
    }
    let ink = match (seen, at < *revealed) {
        (true, _) => theme::on_accent(v.dark_mode),
        (_, true) => v.strong_text_color(),
        _ => faint,
    };
    ui.painter().galley_with_override_text_color(text_at, token.galley.clone(), ink);
    if at < asked.params.prefix.len() {
        // It was given, not chosen.
        let y = place.bottom() - 2.0;
        ui.painter().hline(
            (place.left() + PAD[0])..=(place.right() - PAD[0]),
            y,
            Stroke::new(2.0, if seen { ink } else { theme::accent(v.dark_mode) }),
        );
    }
    let name = name(app, told, at);
    r.widget_info(|| WidgetInfo::selected(Role::Button, true, seen, &name));
    if let Some(gaze) = gaze(app, told, Step::Word(at)) {
        ui.ctx().accesskit_node_builder(r.id, |node| node.set_description(gaze));
    }
    if r.clicked() {
        app.reading.choose(Step::Word(at));
    }
}

/// "Word 3 of 9: dog, 62 %".
pub fn name(app: &App, told: &Told, at: usize) -> String {
    let share = told.word(at).map(|word| percents(word.log_prob.exp())).unwrap_or_default();
    if told.is_end(at) {
        return app.words.with("word-name-end", [("share", share)]);
    }
    let count = told.sentence().map_or(0, |s| s.words.len());
    let word = told.word(at).map(|word| app.words.said(&word.text)).unwrap_or_default();
    let args = [("number", (at + 1).to_string()), ("count", count.to_string()), ("word", word), ("share", share)];
    app.words.with("word-name", args)
}

/// A part of the buttons' row.
fn part(ui: &mut Ui, rect: Rect, layout: Layout) -> Ui {
    let mut part = ui.new_child(UiBuilder::new().max_rect(rect).layout(layout));
    part.spacing_mut().item_spacing.x = 4.0;
    part
}

/// What the zoom's buttons take at the left.
const ZOOM: f32 = 176.0;
/// What the buttons take.
const BUTTONS: f32 = 346.0;

/// The buttons for playing, for the sum of all maps, and for the sentence as text.
fn controls(app: &mut App, ui: &mut Ui, row: Rect, lines: &[Line]) {
    let told = lines.iter().find_map(Line::told).map(|(told, _)| told.clone());
    let attends = lines.iter().filter_map(Line::told).any(|(told, _)| told.attends());
    let left = (row.center().x - BUTTONS / 2.0).max(row.left() + ZOOM);
    let place = Rect::from_min_max(pos2(left, row.top()), pos2(left + BUTTONS, row.bottom()));
    let ui_of = &mut part(ui, place, Layout::left_to_right(Align::Center));
    ui_of.add_enabled_ui(told.is_some(), |ui| {
        let (what, key) = if app.reading.plays() { (Icon::Pause, "play-stop") } else { (Icon::Play, "play-start") };
        let name = app.words.get(key);
        let keys = C::PlayWords.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
        let hint = format!("{}  ({keys})", tip(&app.words, C::PlayWords));
        let r = icon_toggle(ui, app.reading.plays(), what, &name).on_hover_text(hint);
        if r.on_disabled_hover_text(app.words.get("needs-sentence")).clicked() {
            app.ask(C::PlayWords);
        }
        let speed = &mut app.session.caption.speed;
        ui.spacing_mut().slider_width = 72.0;
        let r = ui.add(Slider::new(speed, CaptionLook::SPEEDS).step_by(0.5).show_value(false).smart_aim(false));
        let mut usual = asks_default(ui, &r);
        let (value, name) = (f64::from(*speed), app.words.get("play-speed"));
        r.widget_info(|| WidgetInfo::slider(true, value, &name));
        r.on_hover_text(app.words.get("play-speed-tip"));
        ui.style_mut().drag_value_text_style = TextStyle::Small;
        let pace = |speed: f64, _| app.words.with("play-pace", [("speed", format!("{speed:.1}"))]);
        let number =
            |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).trim().replace(',', ".").parse().ok();
        let field = DragValue::new(speed).range(CaptionLook::SPEEDS).speed(0.05).update_while_editing(false);
        let r = ui.add_sized([72.0, 26.0], field.custom_formatter(pace).custom_parser(number));
        let label = Some(app.words.get("play-speed"));
        r.widget_info(|| WidgetInfo { label: label.clone(), ..WidgetInfo::drag_value(true, value) });
        usual |= r.on_hover_text(app.words.get("play-speed-tip")).double_clicked();
        if usual {
            *speed = CaptionLook::default().speed;
        }
    });
    let name = app.words.get("caption-sum-short");
    let chosen = app.reading.step == Step::Sum;
    let r = ui_of.add_enabled(attends, Button::selectable(chosen, (icon(Icon::Sigma), &name)));
    r.widget_info(|| WidgetInfo::selected(Role::Button, attends, chosen, &name));
    if r.hovered() && attends {
        app.reading.hovered = Some(Step::Sum);
    }
    let r = r.on_hover_text(app.words.get("caption-sum-tip"));
    if r.on_disabled_hover_text(app.words.get("caption-sum-none")).clicked() {
        app.reading.choose(Step::Sum);
    }
    let hold = app.words.get("hold-original");
    let eye = Button::new(icon(Icon::Eye).size(16.0)).frame_when_inactive(false);
    let r = ui_of.add(eye.sense(Sense::click_and_drag()));
    let r = named(r, Role::Button, &hold).on_hover_text(app.words.get("hold-original-tip"));
    app.canvas.holding = r.is_pointer_button_down_on();
    let copy = app.words.get(C::CopySentence.key());
    let r = ui_of.add_enabled_ui(told.is_some(), |ui| icon_only(ui, C::CopySentence.icon(), &copy)).inner;
    if tipped(app, r, C::CopySentence).clicked() {
        app.ask(C::CopySentence);
    }
    // How likely the sentence is, where there is room for it.
    if let (Some(told), true) = (told.filter(|_| lines.len() == 1), row.right() - place.right() > 150.0) {
        let rest = Rect::from_min_max(place.right_top(), row.max - vec2(8.0, 0.0));
        let facts = told.sentence().map(|s| app.log_prob(s)).unwrap_or_default();
        let ui = &mut part(ui, rest, Layout::right_to_left(Align::Center));
        ui.add(egui::Label::new(caption(facts)).truncate()).on_hover_text(app.words.get("caption-log-prob-tip"));
    }
}

/// The zoom's buttons, at the left of the row in the bar.
pub fn zoom(app: &mut App, ui: &mut Ui, bar: Rect, view: View) {
    let min: Pos2 = pos2(bar.left() + 8.0, bar.bottom() - ROW - 2.0);
    let rect = Rect::from_min_size(min, vec2(ZOOM, ROW));
    zoom_buttons(app, &mut part(ui, rect, Layout::left_to_right(Align::Center)), view);
}
