//! How the window looks: two designed themes, one accent, an 8-point grid, three sizes of type.

use std::sync::Arc;

use egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use egui::{Color32, CornerRadius, FontData, FontFamily, FontId, Stroke, Style, TextStyle, Theme, Vec2, Visuals};

/// The one accent colour.
pub fn accent(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(240, 160, 75) } else { Color32::from_rgb(170, 82, 8) }
}

/// What stands on the accent colour.
pub fn on_accent(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(26, 20, 12) } else { Color32::WHITE }
}

/// The canvas surround: a true grey, so that it tints no picture.
pub fn surround(dark: bool) -> [f32; 3] {
    [if dark { 0.11 } else { 0.44 }; 3]
}

/// Rounded corners, everywhere the same.
pub const RADIUS: u8 = 6;

/// The grid: distances are multiples of this.
pub const GRID: f32 = 8.0;

/// Installs fonts and both styles. Call once per context.
pub fn install(ctx: &egui::Context) {
    // Lucide's glyphs sit in a private-use block, so the family can stand behind the text font.
    ctx.add_font(FontInsert::new(
        "lucide",
        FontData::from_static(lucide_icons::LUCIDE_FONT_BYTES),
        vec![InsertFontFamily { family: FontFamily::Proportional, priority: FontPriority::Lowest }],
    ));
    // Enough Hangul for the window's own words where the system has no Korean font; names of files use the system's.
    ctx.add_font(FontInsert::new(
        "hangul",
        FontData::from_static(crate::gpu::HANGUL),
        vec![
            InsertFontFamily { family: FontFamily::Proportional, priority: FontPriority::Lowest },
            InsertFontFamily { family: FontFamily::Monospace, priority: FontPriority::Lowest },
        ],
    ));
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, Arc::new(style(theme == Theme::Dark)));
    }
}

/// How long anything moves, in seconds.
pub const MOTION: f32 = 0.12;
/// Three sizes of type: captions, text, headings.
pub const CAPTION: f32 = 11.5;
const BODY: f32 = 13.5;
const HEADING: f32 = 17.0;

fn style(dark: bool) -> Style {
    let mut s = Style { visuals: if dark { Visuals::dark() } else { Visuals::light() }, ..Style::default() };
    let grey = |d: u8, l: u8| Color32::from_gray(if dark { d } else { l });
    s.text_styles = [
        (TextStyle::Small, FontId::proportional(CAPTION)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Heading, FontId::proportional(HEADING)),
        (TextStyle::Monospace, FontId::monospace(BODY)),
    ]
    .into();
    s.spacing.item_spacing = Vec2::new(GRID, GRID);
    s.spacing.button_padding = Vec2::new(10.0, 5.0);
    s.spacing.interact_size = Vec2::new(32.0, 26.0);
    s.spacing.slider_width = 150.0;
    s.spacing.icon_width = 16.0;
    s.animation_time = MOTION;
    // The wheel moves the film strip.
    s.always_scroll_the_only_direction = true;

    let v = &mut s.visuals;
    v.panel_fill = grey(30, 245);
    v.window_fill = grey(36, 252);
    v.extreme_bg_color = grey(20, 255);
    // White would not be seen on a dialog.
    v.text_edit_bg_color = Some(grey(20, 236));
    v.faint_bg_color = grey(38, 236);
    v.code_bg_color = grey(20, 232);
    v.window_stroke = Stroke::new(1.0, grey(62, 205));
    v.window_corner_radius = CornerRadius::same(RADIUS + 2);
    v.menu_corner_radius = CornerRadius::same(RADIUS);
    v.selection.bg_fill = accent(dark);
    v.selection.stroke = Stroke::new(1.0, on_accent(dark));
    v.hyperlink_color = accent(dark);
    v.slider_trailing_fill = true;
    v.warn_fg_color = if dark { Color32::from_rgb(245, 190, 90) } else { Color32::from_rgb(140, 86, 0) };
    v.error_fg_color = if dark { Color32::from_rgb(255, 130, 120) } else { Color32::from_rgb(178, 30, 30) };
    v.weak_text_color = Some(grey(158, 92));
    let radius = CornerRadius::same(RADIUS);
    for (w, fill, text) in [
        (&mut v.widgets.noninteractive, grey(30, 245), grey(222, 28)),
        (&mut v.widgets.inactive, grey(52, 226), grey(226, 28)),
        (&mut v.widgets.hovered, grey(66, 212), grey(255, 0)),
        (&mut v.widgets.active, grey(78, 200), grey(255, 0)),
        (&mut v.widgets.open, grey(58, 218), grey(255, 0)),
    ] {
        w.corner_radius = radius;
        w.bg_fill = fill;
        w.weak_bg_fill = fill;
        w.fg_stroke = Stroke::new(1.0, text);
        w.bg_stroke = Stroke::NONE;
        w.expansion = 0.0;
    }
    // A box to tick must be seen before it is ticked.
    v.widgets.inactive.bg_stroke = Stroke::new(1.0, grey(74, 190));
    v.widgets.noninteractive.bg_stroke = Stroke::new(1.0, grey(50, 218));
    v.widgets.hovered.bg_stroke = Stroke::new(1.0, grey(96, 170));
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(c: Color32) -> f32 {
        let lin = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * lin(c.r()) + 0.7152 * lin(c.g()) + 0.0722 * lin(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// WCAG 2.1 AA for text, in both themes.
    #[test]
    fn text_is_readable() {
        for dark in [true, false] {
            let v = style(dark).visuals;
            let pairs = [
                (v.widgets.noninteractive.fg_stroke.color, v.panel_fill),
                (v.weak_text_color.unwrap_or_default(), v.panel_fill),
                (v.weak_text_color.unwrap_or_default(), v.window_fill),
                (v.widgets.inactive.fg_stroke.color, v.widgets.inactive.weak_bg_fill),
                (v.selection.stroke.color, v.selection.bg_fill),
                (v.warn_fg_color, v.window_fill),
                (v.error_fg_color, v.window_fill),
                (v.hyperlink_color, v.panel_fill),
            ];
            for (i, (text, ground)) in pairs.into_iter().enumerate() {
                assert!(contrast(text, ground) >= 4.5, "dark {dark}, pair {i}: {:.2}", contrast(text, ground));
            }
        }
    }
}
