//! Minimal filtering of a line under three taps: the schemes, and the transforms that apply them to both sides.

use super::super::kernel::{Isa, for_each_isa};

/// Most points of a scheme, and most inputs it looks at.
pub(super) const MOST: usize = 8;
/// Pixels worked on at once in the transforms.
pub(super) const LANES: usize = 16;

type Matrix = [[f32; MOST]; MOST];
type Lane = [f32; LANES];

/// A bilinear scheme for `outputs` neighbours under three taps:
/// `y = output ((taps w) * (input x))`, the product in the middle point by point.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub outputs: usize,
    /// Multiplications.
    pub points: usize,
    /// Inputs looked at, from the `first` of those under the first output's taps on.
    pub seen: usize,
    pub first: usize,
    pub taps: [[f32; 3]; MOST],
    input: Matrix,
    output: Matrix,
}

impl Filter {
    /// F(n, 3) for n up to 6, by Toom and Cook's interpolation at 0, 1, -1, 2, -2, 1/2, -1/2 (as many as it takes) and
    /// infinity.
    pub(super) fn new(outputs: usize) -> Filter {
        let at = &[0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5][..outputs.min(6) + 1];
        let outputs = at.len() - 1;
        // The product of (x - q) over all points but one, lowest power first.
        let polynomial = |but: Option<usize>| {
            let others = at.iter().enumerate().filter(|(i, _)| Some(*i) != but);
            others.fold([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], |p: [f32; MOST], (_, q)| {
                std::array::from_fn(|i| if i > 0 { p[i - 1] } else { 0.0 } - q * p[i])
            })
        };
        let (mut taps, mut input, mut output) = ([[0.0; 3]; MOST], Matrix::default(), Matrix::default());
        for (p, x) in at.iter().enumerate() {
            let norm: f32 = at.iter().filter(|q| *q != x).map(|q| x - q).product();
            taps[p] = [1.0, *x, x * x].map(|power| power / norm);
            input[p] = polynomial(Some(p));
            (0..outputs).for_each(|i| output[i][p] = x.powi(i as i32));
        }
        taps[at.len()] = [0.0, 0.0, 1.0];
        input[at.len()] = polynomial(None);
        output[outputs - 1][at.len()] = 1.0;
        Filter { outputs, points: outputs + 2, seen: outputs + 2, first: 0, taps, input, output }
    }

    /// The scheme for a line of `n` pixels, 1 to 6, with zeros before and after it.
    pub(super) fn alone(n: usize) -> Filter {
        let exact = |points: usize, taps: &[[f32; 3]], input: &[&[f32]], output: &[&[f32]]| {
            let matrix = |rows: &[&[f32]]| {
                let mut m = Matrix::default();
                rows.iter().zip(&mut m).for_each(|(row, to)| to[..row.len()].copy_from_slice(row));
                m
            };
            let mut all = [[0.0; 3]; MOST];
            all[..taps.len()].copy_from_slice(taps);
            Filter { outputs: n, points, seen: n, first: 1, taps: all, input: matrix(input), output: matrix(output) }
        };
        match n {
            1 => exact(1, &[[0.0, 1.0, 0.0]], &[&[1.0]], &[&[1.0]]),
            // Karatsuba's: the middle tap once for the sum of both, and what each output has beyond that.
            2 => exact(
                3,
                &[[0.0, 1.0, 0.0], [0.0, -1.0, 1.0], [1.0, -1.0, 0.0]],
                &[&[1.0, 1.0], &[0.0, 1.0], &[1.0, 0.0]],
                &[&[1.0, 1.0, 0.0], &[1.0, 0.0, 1.0]],
            ),
            // Its first and last inputs are zeros.
            _ => {
                let mut filter = Filter::new(if n == 5 { 6 } else { n });
                filter.input.iter_mut().for_each(|row| row.rotate_left(1));
                Filter { first: 1, seen: n, ..filter }
            }
        }
    }
}

/// What a transform works on: filled with zeros once per task, for that would take longer than a small transform.
#[derive(Default)]
pub(super) struct Work {
    /// `[column][row of positions]`.
    half: [[Lane; MOST]; MOST],
    values: [Lane; MOST],
    made: [Lane; MOST],
}

for_each_isa!(
    /// Transforms one tile of `count` neighbouring residues. `seen` are the rows that `filters[0]` looks at, `apart[0]`
    /// floats from each other, and in each the inputs of `filters[1]`, `apart[1]` from each other. Position p's values go
    /// to `to[p * stride..]`, where up to [`LANES`] - 1 behind them may be overwritten.
    transform_input, transform_input_body(
        seen: &[f32], apart: [usize; 2], filters: [&Filter; 2], count: usize, to: &mut [f32], stride: usize,
        work: &mut Work
    )
);

#[inline(always)]
fn transform_input_body(
    seen: &[f32],
    [row, column]: [usize; 2],
    [above, across]: [&Filter; 2],
    count: usize,
    to: &mut [f32],
    stride: usize,
    work: &mut Work,
) {
    let Work { half, values, made } = work;
    for r in (0..count).step_by(LANES) {
        for (x, half) in half.iter_mut().enumerate().take(across.seen) {
            for (y, v) in values.iter_mut().enumerate().take(above.seen) {
                *v = *lane(&seen[y * row + x * column + r..]);
            }
            apply(&above.input, above.points, above.seen, values, half);
        }
        for y in 0..above.points {
            for (v, half) in values.iter_mut().zip(&*half).take(across.seen) {
                *v = half[y];
            }
            apply(&across.input, across.points, across.seen, values, made);
            for (x, v) in made.iter().enumerate().take(across.points) {
                to[(y * across.points + x) * stride + r..][..LANES].copy_from_slice(v);
            }
        }
    }
}

for_each_isa!(
    /// Nine taps' weights, `apart` from each other, to the positions of one row, `stride` from each other; each `n` values.
    /// `side` is what the row makes of three rows of taps; `columns` is room for three times `n`.
    transform_weights, transform_weights_body(
        from: &[f32], apart: usize, n: usize, side: [f32; 3], across: &Filter, columns: &mut [f32], to: &mut [f32],
        stride: usize
    )
);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn transform_weights_body(
    from: &[f32],
    apart: usize,
    n: usize,
    side: [f32; 3],
    across: &Filter,
    columns: &mut [f32],
    to: &mut [f32],
    stride: usize,
) {
    let sum = |weights: [f32; 3], [a, b, c]: [&[f32]; 3], to: &mut [f32]| {
        for (((to, a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
            *to = weights[0] * a + weights[1] * b + weights[2] * c;
        }
    };
    for (x, column) in columns.chunks_exact_mut(n).enumerate() {
        sum(side, [0, 3, 6].map(|y| &from[(y + x) * apart..][..n]), column);
    }
    for (taps, to) in across.taps.iter().zip(to.chunks_mut(stride)).take(across.points) {
        sum(*taps, [0, 1, 2].map(|x| &columns[x * n..][..n]), to);
    }
}

for_each_isa!(
    /// Products, rows and columns of positions `apart`, of `count` pixels (a multiple of [`LANES`]), to
    /// `[row][column of outputs][pixel]`.
    transform_back, transform_back_body(
        from: &[f32], apart: [usize; 2], filters: [&Filter; 2], count: usize, to: &mut [f32], work: &mut Work
    )
);

#[inline(always)]
fn transform_back_body(
    from: &[f32],
    [row, column]: [usize; 2],
    [above, across]: [&Filter; 2],
    count: usize,
    to: &mut [f32],
    work: &mut Work,
) {
    let Work { half, values, made } = work;
    for p in (0..count).step_by(LANES) {
        for (x, half) in half.iter_mut().enumerate().take(across.points) {
            for (y, v) in values.iter_mut().enumerate().take(above.points) {
                *v = *lane(&from[y * row + x * column + p..]);
            }
            apply(&above.output, above.outputs, above.points, values, half);
        }
        for y in 0..above.outputs {
            for (v, half) in values.iter_mut().zip(&*half).take(across.points) {
                *v = half[y];
            }
            apply(&across.output, across.outputs, across.points, values, made);
            for (x, v) in made.iter().enumerate().take(across.outputs) {
                to[(y * across.outputs + x) * count + p..][..LANES].copy_from_slice(v);
            }
        }
    }
}

/// The first `rows` rows of a matrix times the first `columns` values.
#[inline(always)]
fn apply(matrix: &Matrix, rows: usize, columns: usize, values: &[Lane; MOST], to: &mut [Lane; MOST]) {
    match columns {
        1 => apply_of::<1>(matrix, rows, values, to),
        2 => apply_of::<2>(matrix, rows, values, to),
        3 => apply_of::<3>(matrix, rows, values, to),
        4 => apply_of::<4>(matrix, rows, values, to),
        5 => apply_of::<5>(matrix, rows, values, to),
        6 => apply_of::<6>(matrix, rows, values, to),
        _ => apply_of::<MOST>(matrix, rows, values, to),
    }
}

#[inline(always)]
fn apply_of<const K: usize>(matrix: &Matrix, rows: usize, values: &[Lane; MOST], to: &mut [Lane; MOST]) {
    for (row, to) in matrix.iter().zip(to).take(rows) {
        // A sum of vectors: as a vector of sums the compiler leaves the shorter ones to scalars.
        let mut sum = values[0].map(|v| row[0] * v);
        for k in 1..K {
            for i in 0..LANES {
                sum[i] += row[k] * values[k][i];
            }
        }
        *to = sum;
    }
}

/// The first values of a slice that has enough of them.
#[inline(always)]
fn lane(values: &[f32]) -> &Lane {
    const NONE: &Lane = &[0.0; LANES];
    values.first_chunk().unwrap_or(NONE)
}
