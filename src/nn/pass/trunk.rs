//! The trunk of a residual network, laid out as its 1x1 convolutions read it.

use std::ops::Range;

use rayon::prelude::*;

use super::Pass;
use crate::nn::conv2d::Conv2d;
use crate::nn::features::Features;
use crate::nn::kernel::Sums;
use crate::nn::packed::{Input, Output, Packed, Residual};
use crate::nn::pool::Buffer;
use crate::nn::team::Together;
use crate::nn::{Error, Isa, Result, pointwise};

/// A feature map that 1x1 convolutions read and add to in turn, as in the blocks of a ResNet. Where it is small it stands
/// in panels as wide as a strip, which each of these convolutions would else have to pack.
#[derive(Debug)]
pub struct Trunk(Form);

#[derive(Debug)]
enum Form {
    Planes(Features),
    Panels(Panelled),
}

/// `[batch][panel][channel][pixel]`, of f32.
#[derive(Debug)]
struct Panelled {
    values: Buffer,
    /// Of the map: `[batch, channels, height, width]`.
    shape: [usize; 4],
    /// Whose strips are as wide.
    isa: Isa,
}

impl From<Features> for Trunk {
    fn from(x: Features) -> Trunk {
        Trunk(Form::Planes(x))
    }
}

impl Pass<'_> {
    /// As [`Pass::conv`], to what becomes a trunk.
    ///
    /// # Errors
    /// As [`Pass::conv`].
    pub fn conv_to_trunk(&mut self, conv: &Conv2d, x: &Features) -> Result<Trunk> {
        let [height, width] = conv.output_size(x.shape)?;
        match self.product(conv) {
            Some((packed, isa)) if pointwise::shares([height, width], isa) && x.values().is_some() => {
                let shape = [x.shape[0], conv.out_channels(), height, width];
                let values = self.pool.take(shape[0] * shape[1] * pointwise::padded([height, width], isa));
                self.conv_into_panels(conv, packed, x, Panelled { values, shape, isa }, Residual::None)
            }
            _ => Ok(self.conv(conv, x)?.into()),
        }
    }

    /// As [`Pass::conv_onto`], onto a trunk.
    ///
    /// # Errors
    /// As [`Pass::conv_add`].
    pub fn conv_onto_trunk(&mut self, conv: &Conv2d, x: &Features, trunk: Trunk) -> Result<Trunk> {
        let [height, width] = conv.output_size(x.shape)?;
        let shape = [x.shape[0], conv.out_channels(), height, width];
        match (trunk.0, self.product(conv)) {
            (Form::Panels(onto), Some((packed, isa)))
                if (onto.shape, onto.isa) == (shape, isa) && x.values().is_some() =>
            {
                self.conv_into_panels(conv, packed, x, onto, Residual::InPlace)
            }
            (form, _) => {
                let onto = self.planes(Trunk(form))?;
                Ok(self.conv_onto(conv, x, onto)?.into())
            }
        }
    }

    /// As [`Pass::conv`], over a trunk.
    ///
    /// # Errors
    /// As [`Pass::conv`].
    pub fn conv_from_trunk(&mut self, conv: &Conv2d, trunk: &Trunk) -> Result<Features> {
        let x = match &trunk.0 {
            Form::Planes(x) => return self.conv(conv, x),
            Form::Panels(x) => x,
        };
        let Some((packed, isa)) = self.product(conv).filter(|(p, isa)| *isa == x.isa && p.options.stride == 1) else {
            return self.conv(conv, &self.planes_of(x)?);
        };
        let size = conv.output_size(x.shape)?;
        let shape = [x.shape[0], conv.out_channels(), size[0], size[1]];
        let mut out = self.pool.take(shape.iter().product());
        let input = Input { data: &x.values, shape: x.shape, on_the_way: None, panels: true };
        self.multiply(conv, packed, isa, &input, &Output::new(&mut out, shape[1], size, Residual::None, false))?;
        Ok(Features::ours(out, shape))
    }

    /// The trunk as every layer reads it.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn planes(&self, trunk: Trunk) -> Result<Features> {
        match trunk.0 {
            Form::Planes(x) => Ok(x),
            Form::Panels(x) => self.planes_of(&x),
        }
    }

    fn planes_of(&self, Panelled { values, shape, isa }: &Panelled) -> Result<Features> {
        let [_, channels, height, width] = *shape;
        let unit = pointwise::unit(*isa);
        let image = channels * pointwise::padded([height, width], *isa);
        let mut out = self.pool.take(shape.iter().product());
        out.par_chunks_exact_mut(height * width).enumerate().each(|(plane, to)| {
            let panels = values[plane / channels * image..].chunks_exact(channels * unit);
            for (to, panel) in to.chunks_mut(unit).zip(panels) {
                to.copy_from_slice(&panel[plane % channels * unit..][..to.len()]);
            }
        });
        self.watch.check()?;
        Ok(Features::ours(out, *shape))
    }

    /// A convolution's weights and instructions, where it is a product over panels of f32.
    fn product<'c>(&self, conv: &'c Conv2d) -> Option<(&'c Packed, Isa)> {
        conv.packed().filter(|(packed, isa)| pointwise::is_one(packed) && isa.at(self.watch.precision()) == *isa)
    }

    fn conv_into_panels(
        &mut self,
        conv: &Conv2d,
        packed: &Packed,
        x: &Features,
        mut to: Panelled,
        residual: Residual<'_>,
    ) -> Result<Trunk> {
        let data = x.values().ok_or_else(super::apart)?;
        let input = x.input(&data);
        let [_, channels, height, width] = to.shape;
        let unit = pointwise::unit(to.isa);
        let output = Output::new(&mut to.values, channels, [height, width], residual, false).in_panels(unit);
        self.multiply(conv, packed, to.isa, &input, &output)?;
        Ok(Trunk(Form::Panels(to)))
    }

    fn multiply(
        &mut self,
        conv: &Conv2d,
        packed: &Packed,
        isa: Isa,
        input: &Input<'_>,
        output: &Output<'_>,
    ) -> Result<()> {
        self.watch.check()?;
        let uncounted = None::<fn(usize, Range<usize>, &[Sums])>;
        if !pointwise::run(packed, isa, input, output, uncounted, self.watch.token()) {
            return Err(Error::Cancelled);
        }
        self.step(conv.flops(input.shape))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::nn::{Options, Pool, Watch};

    #[test]
    fn only_small_maps_stand_in_panels() {
        let (watch, pool) = (Watch::silent(), Pool::default());
        let ones = |shape| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let conv = Conv2d::new(&ones((4, 3, 1, 1)), None, Options::default()).unwrap();
        let mut pass = Pass::new(&pool, &watch, 0.0);
        for (side, panels) in [(7, true), (112, false)] {
            let x = pass.enter(&ones((1, 3, side, side))).unwrap();
            let trunk = pass.conv_to_trunk(&conv, &x).unwrap();
            assert_eq!(matches!(trunk.0, Form::Panels(_)), panels, "{side}");
        }
    }
}
