//! What is done to every value alone, in place.

use candle_core::Tensor;
use rayon::prelude::*;

use super::Pass;
use crate::nn::Result;
use crate::nn::features::{Body, Features};
use crate::nn::team::Together;

impl Pass<'_> {
    /// The hyperbolic tangent of every value, in place.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle).
    pub fn tanh(&self, x: Features) -> Result<Features> {
        self.each(x, |v| v.tanh(), Tensor::tanh)
    }

    /// The logistic function `1 / (1 + exp(-v))` of every value, in place.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle).
    pub fn sigmoid(&self, x: Features) -> Result<Features> {
        self.each(x, |v| 1.0 / (1.0 + (-v).exp()), candle_nn::ops::sigmoid)
    }

    /// `min(max(v + 3, 0), 6) / 6` of every value, in place (Howard et al. 2019, arXiv 1905.02244).
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle).
    pub fn hard_sigmoid(&self, x: Features) -> Result<Features> {
        self.each(x, hard_sigmoid, candle_nn::ops::hard_sigmoid)
    }

    /// Every value below 0 times `slope`, in place: a ReLU with a slope of 0.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle).
    pub fn leaky_relu(&self, x: Features, slope: f32) -> Result<Features> {
        let candle = |t: &Tensor| candle_nn::ops::leaky_relu(t, f64::from(slope));
        self.each(x, |v| if v < 0.0 { v * slope } else { v }, candle)
    }

    /// Every value times its [`Pass::hard_sigmoid`], in place.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::nn::Error::Candle).
    pub fn hard_swish(&self, x: Features) -> Result<Features> {
        self.each(x, |v| v * hard_sigmoid(v), |t| t * candle_nn::ops::hard_sigmoid(t)?)
    }

    /// `ours` of every value, in place, or `candle` of all at once.
    fn each(
        &self,
        mut x: Features,
        ours: impl Fn(f32) -> f32 + Sync,
        candle: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Features> {
        self.watch.check()?;
        x.settle();
        match &mut x.body {
            Body::Ours(values) => {
                let token = self.watch.token();
                values.par_chunks_mut(4096).each(|part| {
                    if !token.is_cancelled() {
                        part.iter_mut().for_each(|v| *v = ours(*v));
                    }
                });
                self.watch.check()?;
                Ok(x)
            }
            Body::Candle(t) => Features::of(candle(t)?),
        }
    }
}

fn hard_sigmoid(v: f32) -> f32 {
    (v + 3.0).clamp(0.0, 6.0) / 6.0
}
