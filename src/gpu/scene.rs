//! What is drawn on the canvas: a picture and what a task made of it, how the two are compared, and from where they are seen.

use std::sync::Arc;

use super::composite::Blend;
use super::labels::{LabelTexture, ScalarTexture};
use super::overlay::{Overlay, Tint};
use super::texture::PictureTexture;
use super::view::View;

/// How original and result are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Compare {
    /// The result, blended as the scene says.
    #[default]
    Result,
    /// The original alone.
    Original,
    /// The original (or the other model's labels) left of a vertical line, the result right of it.
    Split {
        /// Where the line stands, 0..=1 of the picture's width.
        at: f32,
    },
    /// The same two in two panes side by side, with one view for both.
    SideBySide,
    /// The absolute difference, amplified by [`DIFFERENCE_GAIN`](super::composite::DIFFERENCE_GAIN); of two label maps,
    /// their [`disagreement`](super::overlay::disagreement).
    Difference,
}

/// A part of the canvas with a picture of its own, in physical px from the canvas' top left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pane {
    /// Left and top.
    pub offset: [f32; 2],
    /// Width and height: what [`View`]'s methods take as `pane`.
    pub size: [f32; 2],
}

impl Compare {
    /// The panes of a canvas of `size` physical px: two halves for [`Compare::SideBySide`], else one.
    pub fn panes(self, [width, height]: [f32; 2]) -> Vec<Pane> {
        match self {
            Self::SideBySide => {
                let left = (width / 2.0).floor();
                vec![
                    Pane { offset: [0.0, 0.0], size: [left, height] },
                    Pane { offset: [left, 0.0], size: [width - left, height] },
                ]
            }
            _ => vec![Pane { offset: [0.0, 0.0], size: [width, height] }],
        }
    }
}

/// What a task made of a picture, of any size: it is laid over the original's whole area. How it is laid there is told
/// to the GPU in a uniform, so it may change with every frame.
#[derive(Clone, Debug, Default)]
pub enum Over {
    /// Nothing yet: only the original is shown, whatever [`Scene::compare`] says.
    #[default]
    Nothing,
    /// Another picture.
    Picture {
        /// The picture.
        result: Arc<PictureTexture>,
        /// How it is laid over the original.
        blend: Blend,
    },
    /// A segmentation.
    Labels {
        /// Every pixel's class.
        labels: Arc<LabelTexture>,
        /// The same by another model: what is seen on the left when comparing, instead of the original; and the
        /// difference is then where the two disagree.
        other: Option<Arc<LabelTexture>>,
        /// How they are laid over the original.
        overlay: Overlay,
    },
    /// A class's probability, entropy, or another map of numbers.
    Scalar {
        /// The numbers.
        map: Arc<ScalarTexture>,
        /// How they are laid over the original.
        tint: Tint,
    },
}

/// All that is drawn on the canvas.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture as it came.
    pub original: Arc<PictureTexture>,
    /// What the task made of it.
    pub over: Over,
    /// Which of the two is seen where.
    pub compare: Compare,
    /// Zoom and position.
    pub view: View,
    /// The colour around the picture, sRGB-encoded 0..=1; a true grey does not tint the picture.
    pub surround: [f32; 3],
    /// Draw lines between the pixels from zoom 8 on.
    pub pixel_grid: bool,
}

impl Scene {
    /// What can be shown: where nothing lies over it, the original.
    pub(super) fn shown(&self) -> Compare {
        if matches!(self.over, Over::Nothing) { Compare::Original } else { self.compare }
    }
}
