//! One file per task: its controls in the inspector.

pub mod segment;
pub mod style;

use egui::Ui;

use crate::app::words::Words;
use crate::nn::Precision;

/// Speed for exactness, where the processor has the instructions; `tip` is the key of what that does to the picture.
fn arithmetic(words: &Words, ui: &mut Ui, precision: &mut Precision, tip: &str) {
    let available = Precision::Bf16.is_available();
    let mut rounded = available && *precision == Precision::Bf16;
    let checkbox = egui::Checkbox::new(&mut rounded, words.get("bf16"));
    let r = ui.add_enabled(available, checkbox).on_hover_text(words.get(tip));
    if r.on_disabled_hover_text(words.get("bf16-missing")).changed() {
        *precision = if rounded { Precision::Bf16 } else { Precision::F32 };
    }
}
