//! One file per task: its controls in the inspector.

pub mod segment;
pub mod style;
