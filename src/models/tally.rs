//! How much work a pass will be, and how much memory, found by following shapes through the layers.

use crate::nn::{Conv2d, Error, Result};

/// The shape so far, and what led to it.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// `[batch, channels, height, width]`.
    pub shape: [usize; 4],
    /// Multiply-adds times two.
    pub flops: f64,
    /// About how many numbers were held at once, where that was most.
    pub most: f64,
    /// How many of them wait for a later layer.
    pub waiting: f64,
}

impl Tally {
    /// What a pass may hold at once, in numbers: 2 GB.
    pub const MOST_NUMBERS: f64 = (1u64 << 29) as f64;

    /// Before the first layer, given the input's shape.
    pub fn new(shape: [usize; 4]) -> Tally {
        Tally { shape, flops: 0.0, most: 0.0, waiting: 0.0 }
    }

    /// Passes through `conv`.
    ///
    /// # Errors
    /// As [`Conv2d::output_size`].
    pub fn conv(&mut self, conv: &Conv2d) -> Result<()> {
        let [height, width] = conv.output_size(self.shape)?;
        self.flops += conv.flops(self.shape);
        let given = numbers(self.shape);
        self.shape = [self.shape[0], conv.out_channels(), height, width];
        self.hold(given + numbers(self.shape));
        Ok(())
    }

    /// Goes on with maps joined to one of this shape.
    pub fn join(&mut self, shape: [usize; 4]) {
        self.shape = shape;
        self.hold(2.0 * numbers(shape)); // and its parts
    }

    /// From here on a map of this shape waits for a later layer,
    pub fn keep(&mut self, shape: [usize; 4]) {
        self.waiting += numbers(shape);
    }

    /// and from here on no longer.
    pub fn release(&mut self, shape: [usize; 4]) {
        self.waiting -= numbers(shape);
    }

    /// Whether that is more than a pass may hold.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is.
    pub fn check(&self) -> Result<()> {
        if self.most <= Tally::MOST_NUMBERS {
            return Ok(());
        }
        let gigabytes = self.most * 4e-9;
        Err(Error::Shape(format!("the network is too wide: it would take {gigabytes:.0} GB of memory")))
    }

    fn hold(&mut self, numbers: f64) {
        self.most = self.most.max(self.waiting + numbers);
    }
}

fn numbers(shape: [usize; 4]) -> f64 {
    shape.into_iter().map(|side| side as f64).product()
}
