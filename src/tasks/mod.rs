//! See the crate's list of rooms.
