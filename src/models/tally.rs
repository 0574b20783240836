//! How much work a pass will be, found by following shapes through the layers.

use crate::nn::{Conv2d, Result};

/// The shape so far, and the work that led to it.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// `[batch, channels, height, width]`.
    pub shape: [usize; 4],
    /// Multiply-adds times two.
    pub flops: f64,
}

impl Tally {
    /// Before the first layer, given the input's shape.
    pub fn new(shape: [usize; 4]) -> Tally {
        Tally { shape, flops: 0.0 }
    }

    /// Passes through `conv`.
    ///
    /// # Errors
    /// As [`Conv2d::output_size`].
    pub fn conv(&mut self, conv: &Conv2d) -> Result<()> {
        let [height, width] = conv.output_size(self.shape)?;
        self.flops += conv.flops(self.shape);
        self.shape = [self.shape[0], conv.out_channels(), height, width];
        Ok(())
    }
}
