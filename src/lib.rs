//! Lucida: a desktop vision studio. Drop a picture, pick a task, watch a network work.
//!
//! The rooms, from the bottom up; each knows only those before it:

pub mod imaging; // pictures in and out of files: decode, orientation, colour, alpha, resize, save safely
pub mod nn; // the layers and kernels candle lacks or is slow at
pub mod models; // architectures, one file per paper
pub mod zoo; // which weights exist, their cards, loading them
pub mod tasks; // what a person picks: parameters in, a typed outcome out
pub mod gpu; // textures, the composite shader and its CPU twin
pub mod jobs; // worker threads: a queue, progress, cancel, results by channel
pub mod app; // the window
pub mod cli; // the same work without a window
