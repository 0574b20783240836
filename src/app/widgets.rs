//! The few widgets that every panel shares.

use egui::{Button, Color32, PointerButton, Response, RichText, Role, Ui, WidgetInfo, WidgetText};
use lucide_icons::Icon;

/// An icon as text, in the size of the text around it.
pub fn icon(icon: Icon) -> RichText {
    RichText::new(char::from(icon).to_string())
}

/// Gives a widget the name a screen reader says, where what is drawn is no name.
pub fn named(response: Response, role: Role, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(role, enabled, name));
    response
}

/// A button with an icon and a word.
pub fn icon_button(ui: &mut Ui, what: Icon, text: &str) -> Response {
    named(ui.add(Button::new((icon(what), text))), Role::Button, text)
}

/// A frameless square button that shows an icon only; `name` is for the screen reader.
pub fn icon_only(ui: &mut Ui, what: Icon, name: &str) -> Response {
    named(ui.add(Button::new(icon(what).size(16.0)).frame_when_inactive(false)), Role::Button, name)
}

/// A button that stays pressed, icon only.
pub fn icon_toggle(ui: &mut Ui, on: bool, what: Icon, name: &str) -> Response {
    let r = ui.add(Button::selectable(on, icon(what).size(16.0)));
    let enabled = r.enabled();
    r.widget_info(|| WidgetInfo::selected(Role::Button, enabled, on, name));
    r
}

/// Whether a double click, on a slider's rail or its number, asks for its default. The rail itself only tells drags.
pub fn asks_default(ui: &Ui, slider: &Response) -> bool {
    let twice = || ui.input(|i| i.pointer.button_double_clicked(PointerButton::Primary));
    slider.double_clicked() || (slider.enabled() && slider.contains_pointer() && twice())
}

/// A slider over 0..=1, read and written in percent; a double click returns to `default`.
pub fn percent(ui: &mut Ui, value: &mut f32, default: f32, name: &str, tip: &str) -> Response {
    ui.horizontal(|ui| {
        ui.add(egui::Label::new(name).truncate());
    });
    let width = (ui.available_width() - 76.0).max(80.0);
    ui.spacing_mut().slider_width = width;
    let mut r = ui
        .add(
            egui::Slider::new(value, 0.0..=1.0)
                .step_by(0.01)
                .smart_aim(false)
                .update_while_editing(false)
                .custom_formatter(|v, _| format!("{:.0} %", v * 100.0))
                .custom_parser(|s| s.trim().trim_end_matches('%').trim().parse::<f64>().ok().map(|v| v / 100.0)),
        )
        .on_hover_text(tip);
    if asks_default(ui, &r) {
        *value = default;
        r.mark_changed();
    }
    let v = f64::from(*value);
    r.widget_info(|| WidgetInfo::slider(true, v, name));
    r
}

/// Small grey text.
pub fn caption(text: impl Into<String>) -> RichText {
    RichText::new(text).small().weak()
}

/// Shortens a name in the middle, so that its beginning and its ending (number, type) stay.
pub fn elide(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if count <= most || most < 3 {
        return name.to_owned();
    }
    let tail = (most - 1) / 2;
    let head = most - 1 - tail;
    name.chars().take(head).chain(['…']).chain(name.chars().skip(count - tail)).collect()
}

/// A dialog over the window, with the margins that all of them share.
pub fn dialog(ui: &Ui, name: &str) -> egui::Modal {
    egui::Modal::new(egui::Id::unique(name)).frame(egui::Frame::window(ui.style()).inner_margin(18))
}

/// Text on the accent colour, for the one main button of a panel.
pub fn main_button<'a>(ui: &Ui, text: impl Into<WidgetText>, what: Icon) -> Button<'a> {
    let dark = ui.visuals().dark_mode;
    let on: Color32 = super::theme::on_accent(dark);
    let text: WidgetText = text.into();
    Button::new((icon(what).color(on), text.color(on))).fill(super::theme::accent(dark))
}

#[cfg(test)]
mod tests {
    use super::elide;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(elide("short.jpg", 20), "short.jpg");
        assert_eq!(elide("a-very-long-name-0042.jpg", 13), "a-very…42.jpg");
        assert_eq!(elide("그림그림그림그림그림.png", 9), "그림그림….png");
    }
}
