//! Lucida: a desktop vision studio. Drop a picture, pick a task, watch a network work.
//!
//! The rooms, from the bottom up; each knows only those before it:

