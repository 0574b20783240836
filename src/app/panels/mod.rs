//! One file per panel. A panel reads the app, changes what is plainly its own, and sends commands for the rest.

pub mod about;
pub mod beam_tree;
pub mod canvas;
pub mod caption_bar;
pub mod captions;
pub mod export;
pub mod film_strip;
pub mod inspector;
pub mod menu_bar;
pub mod open_path;
pub mod palette;
pub mod panes;
pub mod rail;
pub mod regions;
pub mod sight;
pub mod status_bar;
pub mod words_sheet;
