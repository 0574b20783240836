//! Loops over rows of values, which the compiler makes vectors of: ends of strips, ways in, sums.

use super::{Isa, for_each_isa};

/// Running sums of a channel's outputs about a `shift` near their mean, so that the squares do not cancel.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::nn) struct Sums {
    pub count: f64,
    pub shift: f32,
    pub sum: f64,
    pub squares: f64,
}

/// `max` as the processors have it: one instruction, and a NaN stays one instead of hiding as the floor.
#[inline(always)]
pub(super) fn at_least(v: f32, floor: f32) -> f32 {
    if v < floor { floor } else { v }
}

/// `min` in the same way.
#[inline(always)]
pub(super) fn at_most(v: f32, ceiling: f32) -> f32 {
    if v > ceiling { ceiling } else { v }
}

for_each_isa!(
    /// Writes a strip's sums plus bias and residual to their place in the output, clamped to `range`, and counts them.
    finish, finish_body(
        strip: &[f32], out: &mut [f32], bias: f32, residual: Option<&[f32]>, range: [f32; 2], sums: Option<&mut Sums>
    )
);

#[inline(always)]
fn finish_body(
    strip: &[f32],
    out: &mut [f32],
    bias: f32,
    residual: Option<&[f32]>,
    [low, high]: [f32; 2],
    sums: Option<&mut Sums>,
) {
    match residual {
        None => {
            for (o, s) in out.iter_mut().zip(strip) {
                *o = at_most(at_least(s + bias, low), high);
            }
        }
        Some(residual) => {
            for ((o, s), r) in out.iter_mut().zip(strip).zip(residual) {
                *o = at_most(at_least(s + bias + r, low), high);
            }
        }
    }
    let Some(sums) = sums else { return };
    if sums.count == 0.0 {
        sums.shift = out.iter().sum::<f32>() / out.len().max(1) as f32;
    }
    moments(out, sums);
}

/// Adds `values` to the sums, sixteen at a time.
#[inline(always)]
fn moments(values: &[f32], sums: &mut Sums) {
    let (mut s, mut q) = ([0.0f32; 16], [0.0f32; 16]);
    let (whole, rest) = values.as_chunks::<16>();
    for v in whole {
        for i in 0..16 {
            let d = v[i] - sums.shift;
            s[i] += d;
            q[i] += d * d;
        }
    }
    for (i, v) in rest.iter().enumerate() {
        let d = v - sums.shift;
        s[i] += d;
        q[i] += d * d;
    }
    sums.count += values.len() as f64;
    sums.sum += f64::from(s.iter().sum::<f32>());
    sums.squares += f64::from(q.iter().sum::<f32>());
}

/// What happens to an input value on its way in: `value * scale + shift`, then optionally clamped below at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnTheWay {
    pub scale: f32,
    pub shift: f32,
    pub relu: bool,
}

impl OnTheWay {
    /// Nothing.
    pub(crate) const NOTHING: OnTheWay = OnTheWay { scale: 1.0, shift: 0.0, relu: false };

    /// One value's way in.
    #[inline(always)]
    pub(crate) fn apply(self, v: f32) -> f32 {
        at_least(v * self.scale + self.shift, if self.relu { 0.0 } else { f32::NEG_INFINITY })
    }
}

for_each_isa!(
    /// `to = a[0], b[0], a[1], b[1] ...`
    weave, weave_body(a: &[f32], b: &[f32], to: &mut [f32])
);

#[inline(always)]
fn weave_body(a: &[f32], b: &[f32], to: &mut [f32]) {
    for ((t, a), b) in to.chunks_exact_mut(2).zip(a).zip(b) {
        t[0] = *a;
        t[1] = *b;
    }
}

for_each_isa!(
    /// Copies every `step`-th value of `from` (starting with its first) to `to`, changed as `on_the_way` says.
    gather, gather_body(from: &[f32], step: usize, to: &mut [f32], on_the_way: Option<OnTheWay>)
);

#[inline(always)]
fn gather_body(from: &[f32], step: usize, to: &mut [f32], on_the_way: Option<OnTheWay>) {
    match (step, on_the_way) {
        (1, None) => to.copy_from_slice(&from[..to.len()]),
        (2, None) => halve(from, to, |v| v),
        (_, None) => {
            for (t, f) in to.iter_mut().zip(from.iter().step_by(step)) {
                *t = *f;
            }
        }
        (1, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            for (t, f) in to.iter_mut().zip(from) {
                *t = at_least(f * scale + shift, floor);
            }
        }
        (2, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            halve(from, to, |v| at_least(v * scale + shift, floor));
        }
        (_, Some(OnTheWay { scale, shift, relu })) => {
            let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
            for (t, f) in to.iter_mut().zip(from.iter().step_by(step)) {
                *t = at_least(f * scale + shift, floor);
            }
        }
    }
}

/// Every second value; in pairs, which the compiler makes vectors of.
#[inline(always)]
fn halve(from: &[f32], to: &mut [f32], way: impl Fn(f32) -> f32) {
    let (pairs, last) = from.as_chunks::<2>();
    for (t, f) in to.iter_mut().zip(pairs) {
        *t = way(f[0]);
    }
    if let (Some(to), Some(last)) = (to.get_mut(pairs.len()), last.first()) {
        *to = way(*last);
    }
}

for_each_isa!(
    /// `to += from * scale + shift`, the addend clamped below at 0 with `relu`.
    affine_add, affine_add_body(to: &mut [f32], from: &[f32], on_the_way: OnTheWay)
);

#[inline(always)]
fn affine_add_body(to: &mut [f32], from: &[f32], OnTheWay { scale, shift, relu }: OnTheWay) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for (t, f) in to.iter_mut().zip(from) {
        *t += at_least(f * scale + shift, floor);
    }
}

for_each_isa!(
    /// Applies [`OnTheWay`] in place.
    affine_in_place, affine_in_place_body(values: &mut [f32], on_the_way: OnTheWay)
);

#[inline(always)]
fn affine_in_place_body(values: &mut [f32], OnTheWay { scale, shift, relu }: OnTheWay) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for v in values {
        *v = at_least(*v * scale + shift, floor);
    }
}

for_each_isa!(
    /// Adds `values` to the sums; the first values ever added fix the shift.
    count, count_body(values: &[f32], sums: &mut Sums)
);

#[inline(always)]
fn count_body(values: &[f32], sums: &mut Sums) {
    for part in values.chunks(1024) {
        if sums.count == 0.0 {
            sums.shift = part.iter().sum::<f32>() / part.len() as f32;
        }
        moments(part, sums);
    }
}
