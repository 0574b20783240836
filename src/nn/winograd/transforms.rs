//! The three transforms of F(4x4, 3x3), for [`LANES`] tiles at a time.

use super::super::kernel::{Isa, STRIP, for_each_isa};
use super::{LANES, LINE, Lane, Parts, Piece, Product, SEEN, TILE};

for_each_isa!(
    /// Deals six lines out for [`transform_input`], of which `tiles` tiles come to stand at `first` and behind it.
    deal_lines, deal_lines_body(
        lines: &[[f32; LINE]; SEEN], tiles: usize, dilation: usize, parts: &mut Parts, first: usize
    )
);

#[inline(always)]
fn deal_lines_body(lines: &[[f32; LINE]; SEEN], tiles: usize, dilation: usize, parts: &mut Parts, first: usize) {
    for (line, parts) in lines.iter().zip(parts) {
        let mut parts = parts.each_mut().map(|part| &mut part[first..]);
        match dilation {
            1 => deal::<1>(line, tiles + 1, parts),
            2 => deal::<2>(line, tiles + 2, parts),
            4 => deal::<4>(line, tiles + 4, parts),
            _ => {
                let groups = line.chunks_exact(TILE * dilation).take(tiles / dilation + 1);
                for (i, group) in groups.enumerate() {
                    for (part, from) in parts.iter_mut().zip(group.chunks_exact(dilation)) {
                        part[i * dilation..][..dilation].copy_from_slice(from);
                    }
                }
            }
        }
    }
}

for_each_isa!(
    /// Transforms pieces that stand `apart` in `parts` (one alone, unless that is 4 or 8: then as many as a vector takes);
    /// the value of each position of tile t goes to `to[position * stride + piece.at + t]`, and what stands behind a piece,
    /// less than a vector, may be overwritten.
    transform_input, transform_input_body(
        parts: &Parts, pieces: &[Piece], apart: usize, dilation: usize, to: &mut [f32], stride: usize
    )
);

#[inline(always)]
fn transform_input_body(parts: &Parts, pieces: &[Piece], apart: usize, dilation: usize, to: &mut [f32], stride: usize) {
    let Some(Piece { tiles, at: first, .. }) = pieces.first() else { return };
    // `[column][row]` halfway. Filled once per call: in the loop that alone would take a tenth of its time.
    let (mut half, mut row) = ([[[0.0; LANES]; SEEN]; SEEN], [[0.0; LANES]; SEEN]);
    for t in (0..*tiles).step_by(LANES) {
        for (x, half) in half.iter_mut().enumerate() {
            let at = |y: usize| lane(&parts[y][x % TILE][t + x / TILE * dilation..]);
            seen([at(0), at(1), at(2), at(3), at(4), at(5)], half);
        }
        for y in 0..SEEN {
            seen([&half[0][y], &half[1][y], &half[2][y], &half[3][y], &half[4][y], &half[5][y]], &mut row);
            for (x, v) in row.iter().enumerate() {
                let to = &mut to[(y * SEEN + x) * stride..];
                match apart {
                    4 => deal_out::<4>(v, pieces, to),
                    8 => deal_out::<8>(v, pieces, to),
                    _ => to[first + t..][..LANES].copy_from_slice(v),
                }
            }
        }
    }
}

/// Puts the first piece's tiles where they belong, then the second's, ...
#[inline(always)]
fn deal_out<const N: usize>(v: &Lane, pieces: &[Piece], to: &mut [f32]) {
    v.as_chunks::<N>().0.iter().zip(pieces).for_each(|(v, piece)| to[piece.at..][..N].copy_from_slice(v));
}

/// Deals a line out into what stands first, second, third and fourth in each group of four times `D`, up to the group
/// that `count` lies in.
#[inline(always)]
fn deal<const D: usize>(line: &[f32; LINE], count: usize, parts: [&mut [f32]; TILE]) {
    let [a, b, c, d] = parts.map(|p| p.as_chunks_mut::<D>().0);
    let groups = line.as_chunks::<D>().0.as_chunks::<TILE>().0;
    for ((((a, b), c), d), group) in a.iter_mut().zip(b).zip(c).zip(d).zip(groups).take(count.div_ceil(D)) {
        [*a, *b, *c, *d] = *group;
    }
}

/// The inverse of [`deal`], of [`LANES`] values each.
#[inline(always)]
fn weave<const D: usize>([a, b, c, d]: &[Lane; TILE], line: &mut [f32]) {
    let [a, b, c, d] = [a, b, c, d].map(|p| p.as_chunks::<D>().0);
    let groups = line.as_chunks_mut::<D>().0.as_chunks_mut::<TILE>().0;
    for ((((a, b), c), d), group) in a.iter().zip(b).zip(c).zip(d).zip(groups) {
        *group = [*a, *b, *c, *d];
    }
}

/// The first values of a slice that has enough of them.
#[inline(always)]
fn lane(values: &[f32]) -> &Lane {
    const NONE: &Lane = &[0.0; LANES];
    values.first_chunk().unwrap_or(NONE)
}

/// `B^T d`: six inputs along one side.
#[inline(always)]
fn seen(d: [&Lane; SEEN], v: &mut [Lane; SEEN]) {
    for i in 0..LANES {
        let even = d[4][i] - 4.0 * d[2][i];
        let odd = d[3][i] - 4.0 * d[1][i];
        let near = d[4][i] - d[2][i];
        let far = 2.0 * (d[3][i] - d[1][i]);
        v[0][i] = 4.0 * d[0][i] - 5.0 * d[2][i] + d[4][i];
        v[1][i] = even + odd;
        v[2][i] = even - odd;
        v[3][i] = near + far;
        v[4][i] = near - far;
        v[5][i] = 4.0 * d[1][i] - 5.0 * d[3][i] + d[5][i];
    }
}

for_each_isa!(
    /// `[channel][tap][len]` to `[position][channel][len]`, positions `apart` from each other: `G g G^T` of each kernel.
    transform_weights, transform_weights_body(from: &[f32], len: usize, to: &mut [f32], apart: usize)
);

#[inline(always)]
fn transform_weights_body(from: &[f32], len: usize, to: &mut [f32], apart: usize) {
    match len {
        8 => transform_weights_of::<8>(from, to, apart),
        4 => transform_weights_of::<4>(from, to, apart),
        3 => transform_weights_of::<3>(from, to, apart),
        2 => transform_weights_of::<2>(from, to, apart),
        _ => transform_weights_of::<1>(from, to, apart),
    }
}

#[inline(always)]
fn transform_weights_of<const L: usize>(from: &[f32], to: &mut [f32], apart: usize) {
    let (taps, _) = from.as_chunks::<L>();
    // Filled once, as in `transform_input`.
    let (mut half, mut made) = ([[[0.0; L]; SEEN]; 3], [[0.0; L]; SEEN]);
    for (c, taps) in taps.chunks_exact(9).enumerate() {
        for (x, half) in half.iter_mut().enumerate() {
            kernel_side([&taps[x], &taps[3 + x], &taps[6 + x]], half);
        }
        for y in 0..SEEN {
            kernel_side([&half[0][y], &half[1][y], &half[2][y]], &mut made);
            for (x, v) in made.iter().enumerate() {
                to[(y * SEEN + x) * apart + c * L..][..L].copy_from_slice(v);
            }
        }
    }
}

/// `G g`: three weights along one side.
#[inline(always)]
fn kernel_side<const L: usize>([a, b, c]: [&[f32; L]; 3], u: &mut [[f32; L]; SEEN]) {
    for i in 0..L {
        let (outer, middle) = ((a[i] + c[i]) * (-1.0 / 6.0), b[i] * (-1.0 / 6.0));
        let (far, side) = (a[i] * (1.0 / 24.0) + c[i] * (1.0 / 6.0), b[i] * (1.0 / 12.0));
        u[0][i] = a[i] * 0.25;
        u[1][i] = outer + middle;
        u[2][i] = outer - middle;
        u[3][i] = far + side;
        u[4][i] = far - side;
        u[5][i] = c[i];
    }
}

for_each_isa!(
    /// Channel `c` of the products, `A^T m A`: `tiles` tiles of 4x4 outputs, as four rows.
    transform_back, transform_back_body(
        products: &[Product], c: usize, tiles: usize, dilation: usize, rows: &mut [[f32; TILE * STRIP]; TILE]
    )
);

#[inline(always)]
fn transform_back_body(
    products: &[Product],
    c: usize,
    tiles: usize,
    dilation: usize,
    rows: &mut [[f32; TILE * STRIP]; TILE],
) {
    let (mut half, mut outputs) = ([[[0.0; LANES]; TILE]; SEEN], [[0.0; LANES]; TILE]);
    for t in (0..tiles).step_by(LANES) {
        for (x, half) in half.iter_mut().enumerate() {
            let at = |y: usize| lane(&products[y * SEEN + x].values[c * STRIP + t..]);
            back([at(0), at(1), at(2), at(3), at(4), at(5)], half);
        }
        for (y, row) in rows.iter_mut().enumerate() {
            back([&half[0][y], &half[1][y], &half[2][y], &half[3][y], &half[4][y], &half[5][y]], &mut outputs);
            match dilation {
                1 => weave::<1>(&outputs, &mut row[t * TILE..]),
                2 => weave::<2>(&outputs, &mut row[t * TILE..]),
                4 => weave::<4>(&outputs, &mut row[t * TILE..]),
                _ => {
                    for i in 0..LANES {
                        let (group, r) = ((t + i) / dilation, (t + i) % dilation);
                        for (x, values) in outputs.iter().enumerate() {
                            row[(group * TILE + x) * dilation + r] = values[i];
                        }
                    }
                }
            }
        }
    }
}

/// `A^T m`: four outputs along one side.
#[inline(always)]
fn back(m: [&Lane; SEEN], y: &mut [Lane; TILE]) {
    for i in 0..LANES {
        let (near, near_odd) = (m[1][i] + m[2][i], m[1][i] - m[2][i]);
        let (far, far_odd) = (m[3][i] + m[4][i], m[3][i] - m[4][i]);
        y[0][i] = m[0][i] + near + far;
        y[1][i] = near_odd + 2.0 * far_odd;
        y[2][i] = near + 4.0 * far;
        y[3][i] = near_odd + 8.0 * far_odd + m[5][i];
    }
}
