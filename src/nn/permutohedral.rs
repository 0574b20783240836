//! Gaussian filtering in many dimensions on the permutohedral lattice (Adams et al. 2010, "Fast High-Dimensional
//! Filtering Using the Permutohedral Lattice"): values are splatted onto the corners of the simplex around each point,
//! blurred along the lattice's axes and sliced at the points again. The time is linear in points and dimensions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::watch::{CancelToken, Watch};
use super::{Error, Result};

/// The most dimensions: two places and three colours.
const MOST: usize = 5;
/// Values filtered together.
pub(super) const GROUP: usize = 4;
/// Points between two looks at whether the filter is still wanted.
const PATCH: usize = 1 << 15;

/// A lattice around given points of `D` coordinates, in units of the Gaussian's standard deviation.
#[derive(Debug)]
pub(super) struct Lattice<const D: usize> {
    /// For each point the `D + 1` corners of its simplex: which vertex, and how near.
    corners: Vec<(u32, f32)>,
    /// For each axis and vertex the vertices before and after it; 0 is none.
    neighbours: Vec<Vec<[u32; 2]>>,
}

/// A vertex: all but the last of its `D + 1` coordinates, whose sum is 0.
type Vertices<const D: usize> = HashMap<[i32; D], u32, BuildHasherDefault<Multiply>>;

/// Multiplies and shifts: several times as fast as the standard library's, whose protection is of no use here.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(4) {
            let part = part.iter().rev().fold(0, |n, byte| (n << 8) | u64::from(*byte));
            self.0 = (self.0.rotate_left(5) ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }
}

impl<const D: usize> Lattice<D> {
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn new(points: impl Iterator<Item = [f32; D]>, watch: &Watch<'_>) -> Result<Lattice<D>> {
        const { assert!(D <= MOST) };
        let side = (D + 1) as f32;
        // The blur has this variance along each axis, which the points are stretched to.
        let stretch = |i: usize| (2.0f32 / 3.0).sqrt() * side / (((i + 1) * (i + 2)) as f32).sqrt();
        let stretch: [f32; D] = std::array::from_fn(stretch);
        let mut vertices = Vertices::<D>::default();
        let mut corners = Vec::new();
        for (i, point) in points.enumerate() {
            if i % PATCH == 0 {
                watch.check()?;
            }
            place(&point, &stretch, |vertex, share| {
                let next = vertices.len() as u32 + 1;
                corners.push((*vertices.entry(vertex).or_insert(next), share));
            });
        }
        let mut neighbours = vec![vec![[0; 2]; vertices.len() + 1]; D + 1];
        for (axis, neighbours) in neighbours.iter_mut().enumerate() {
            watch.check()?;
            for (vertex, index) in &vertices {
                // One step along an axis changes its own coordinate by D and all others the other way by 1.
                let step = |sign: i32| {
                    let along = |i: usize| vertex[i] + sign * if i == axis { D as i32 } else { -1 };
                    vertices.get(&std::array::from_fn(along)).copied().unwrap_or(0)
                };
                neighbours[*index as usize] = [step(-1), step(1)];
            }
        }
        Ok(Lattice { corners, neighbours })
    }

    /// How many values a [`Lattice::filter`] keeps.
    fn len(&self) -> usize {
        self.neighbours.first().map_or(1, Vec::len)
    }

    /// The sum of the values at all points, each weighted by the Gaussian of its distance: `value` tells each point's and
    /// `each` takes the sum there.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn filter(
        &self,
        value: impl Fn(usize) -> [f32; GROUP],
        mut each: impl FnMut(usize, [f32; GROUP]),
        cancel: &CancelToken,
    ) -> Result<()> {
        let mut at = vec![[0.0f32; GROUP]; self.len()];
        for (i, corners) in self.corners.chunks_exact(D + 1).enumerate() {
            let value = value(i);
            for (vertex, share) in corners {
                at[*vertex as usize].iter_mut().zip(value).for_each(|(to, v)| *to += share * v);
            }
        }
        let mut blurred = vec![[0.0f32; GROUP]; self.len()];
        for neighbours in &self.neighbours {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            for (i, [before, after]) in neighbours.iter().enumerate().skip(1) {
                let (before, own, after) = (at[*before as usize], at[i], at[*after as usize]);
                blurred[i] = std::array::from_fn(|c| own[c] + 0.5 * (before[c] + after[c]));
            }
            std::mem::swap(&mut at, &mut blurred);
        }
        // What the splatting and the blur add up to at a point of its own.
        let scale = 1.0 / (1.0 + 0.5f32.powi(D as i32));
        for (i, corners) in self.corners.chunks_exact(D + 1).enumerate() {
            let mut sum = [0.0; GROUP];
            for (vertex, share) in corners {
                sum.iter_mut().zip(at[*vertex as usize]).for_each(|(to, v)| *to += share * scale * v);
            }
            each(i, sum);
        }
        Ok(())
    }
}

/// Finds the simplex that `point` (times `stretch`) lies in; tells `corner` each of its corners and how near it is, 0..=1.
fn place<const D: usize>(point: &[f32; D], stretch: &[f32; D], mut corner: impl FnMut([i32; D], f32)) {
    let side = D as i32 + 1;
    // Onto the hyperplane of D + 1 coordinates whose sum is 0.
    let mut raised = [0.0f32; MOST + 1];
    let mut sum = 0.0;
    for i in (0..D).rev() {
        let v = point[i] * stretch[i];
        raised[i + 1] = sum - (i + 1) as f32 * v;
        sum += v;
    }
    raised[0] = sum;
    // The nearest point of multiples of D + 1; how many multiples its sum is off, the coordinates that were rounded
    // furthest give or take.
    let mut nearest = [0i32; MOST + 1];
    let mut excess = 0;
    for (nearest, raised) in nearest.iter_mut().zip(&raised).take(D + 1) {
        let multiple = (raised / side as f32).round() as i32;
        *nearest = multiple * side;
        excess += multiple;
    }
    let mut rank = [0i32; MOST + 1];
    for i in 0..D {
        for j in i + 1..=D {
            let behind = raised[i] - (nearest[i] as f32) < raised[j] - nearest[j] as f32;
            rank[if behind { i } else { j }] += 1;
        }
    }
    for (rank, nearest) in rank.iter_mut().zip(&mut nearest).take(D + 1) {
        *rank += excess;
        let around = (*rank < 0) as i32 - (*rank >= side) as i32;
        *rank += around * side;
        *nearest += around * side;
    }
    // Barycentric coordinates, from the steps between the remainders in order.
    let mut share = [0.0f32; MOST + 2];
    for i in 0..=D {
        let step = (raised[i] - nearest[i] as f32) / side as f32;
        let at = (side - 1 - rank[i]).clamp(0, D as i32) as usize;
        share[at] += step;
        share[at + 1] -= step;
    }
    share[0] += 1.0 + share[D + 1];
    for (colour, share) in share.iter().enumerate().take(D + 1) {
        let coordinate = |i: usize| {
            let wraps = rank[i] > (D - colour) as i32;
            nearest[i] + colour as i32 - if wraps { side } else { 0 }
        };
        corner(std::array::from_fn(coordinate), *share);
    }
}
