//! Pictures on the GPU: textures, the shaders, their CPU twins, and the canvas that egui draws.
//!
//! [`composite`] is plain arithmetic and needs no GPU. [`wgpu_options`] opens one, [`GpuHealth`] hears of its troubles,
//! [`PictureTexture`], [`LabelTexture`] and [`ScalarTexture`] put a picture and what a task made of it there, and
//! [`paint`] draws a [`Scene`] of them into a part of the window. [`overlay`] is what [`composite`] is, for class labels
//! and for maps of numbers; [`palette`] and [`colormap`] are their colours. A [`sheet`] shows several pictures at once.

mod adapter;
pub mod attention;
mod canvas;
pub mod colormap;
pub mod composite;
mod compositor;
mod health;
mod labels;
mod memory;
mod lettering;
pub mod overlay;
mod page;
pub mod palette;
mod pipelines;
mod pyramid;
mod quads;
mod scalar;
mod scene;
pub mod sheet;
mod slot;
mod texture;
mod view;

pub use adapter::{adapter_summary, wgpu_options};
pub use canvas::{install, paint};
pub use colormap::Colormap;
pub use composite::Blend;
pub use compositor::{Compositor, Prepared};
pub use health::GpuHealth;
pub use labels::{LabelTexture, ScalarTexture};
pub use memory::GpuMemory;
pub use overlay::{Interpolation, Overlay, OverlayMode, Tint, TintMode};
pub use palette::ClassColours;
pub use scene::{Compare, Over, Pane, Scene};
pub use slot::Writes;
pub use texture::{PictureTexture, UploadLimits};
pub use view::{MAX_ZOOM, View};

/// Enough Hangul for the window's own words where the system has no Korean font; see `assets/CREDITS.md`.
pub const HANGUL: &[u8] = include_bytes!("../../assets/fonts/NotoSansKR-subset.otf");

/// What can go wrong with the GPU; each says in one sentence what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// No adapter can be used at all. The command line still works.
    #[error(
        "No graphics adapter was found: install a Vulkan or OpenGL driver (on Debian and Ubuntu: mesa-vulkan-drivers), \
         or use the command line, which needs none ({reason})."
    )]
    NoAdapter {
        /// What wgpu said.
        reason: String,
    },
    /// There is an adapter, but it cannot be opened.
    #[error(
        "The graphics adapter could not be opened: update its driver, or try another with WGPU_BACKEND=gl ({reason})."
    )]
    NoDevice {
        /// What wgpu said.
        reason: String,
    },
    /// The GPU has no room for a picture.
    #[error(
        "The graphics memory is full (this picture needs {} MB): close other pictures or programs and try again.",
        needed.div_ceil(1_000_000)
    )]
    OutOfMemory {
        /// Bytes the picture needs, mip levels included.
        needed: u64,
    },
    /// The GPU has no room for something that is no picture.
    #[error("The graphics memory is full: close other pictures or programs and try again.")]
    MemoryFull,
    /// The device is gone: nothing can be drawn until the program is started again.
    #[error(
        "The graphics device was lost and the window can no longer be drawn: start Lucida again, and update the \
         graphics driver if it happens often ({reason})."
    )]
    Lost {
        /// What the driver said, on one line.
        reason: String,
    },
    /// The bytes handed in are not a picture of that size.
    #[error("A picture of {} x {} pixels needs width x height x 4 bytes and at least one pixel, but {bytes} bytes came.", size[0], size[1])]
    Shape {
        /// Width and height, pixels.
        size: [u32; 2],
        /// Bytes given.
        bytes: usize,
    },
    /// The values handed in are not a map of that size.
    #[error("A map of {} x {} pixels needs one value per pixel and at least one, but {values} values came.", size[0], size[1])]
    MapShape {
        /// Width and height, pixels.
        size: [u32; 2],
        /// Values given.
        values: usize,
    },
    /// The driver or wgpu refused a step, which points to a bug or a broken driver.
    #[error(
        "The graphics driver refused a step: restart Lucida, and update the driver if it happens again ({reason})."
    )]
    Refused {
        /// What wgpu said, on one line.
        reason: String,
    },
}

impl GpuError {
    fn refused(error: &wgpu::Error) -> Self {
        Self::Refused { reason: one_line(&error.to_string()) }
    }
}

impl From<&egui_wgpu::WgpuError> for GpuError {
    /// For the error with which eframe ends when it cannot open the window.
    fn from(error: &egui_wgpu::WgpuError) -> Self {
        let reason = one_line(&error.to_string());
        match error {
            egui_wgpu::WgpuError::RequestDeviceError(_) => Self::NoDevice { reason },
            _ => Self::NoAdapter { reason },
        }
    }
}

/// wgpu explains itself over many indented lines; a message to a person has one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
