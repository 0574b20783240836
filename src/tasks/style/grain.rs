//! A faint grain over what a network is shown.
//!
//! A smooth sky gives a network nothing to begin a stroke at: it would draw the same lattice in all of them. So those that
//! were trained with grain are given it, the same at the same place of every picture: results can be repeated, and tiles fit.

/// Side of the coarser grains, in pixels.
const COARSE: usize = 4;

/// Adds `amount` (of 0..=255) times grain to `[channels, rows, columns]` whose corner lies at `[row, column]` of the picture; the
/// same to all channels.
pub(super) fn apply(planar: &mut [f32], [_, _, rows, columns]: [usize; 4], [top, left]: [usize; 2], amount: f32) {
    for plane in planar.chunks_exact_mut((rows * columns).max(1)) {
        for (y, row) in plane.chunks_exact_mut(columns.max(1)).enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                let (y, x) = (top + y, left + x);
                *value += amount * (unit(y, x, 0) + unit(y / COARSE, x / COARSE, 1));
            }
        }
    }
}

/// Evenly from -1..1, by place and layer (Steele, Lea and Flood's SplitMix64 of 2014).
fn unit(y: usize, x: usize, layer: u64) -> f32 {
    let seed = (y as u64) << 33 ^ (x as u64) << 1 ^ layer;
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_is_even_and_belongs_to_its_place() {
        let side = 128;
        let mut whole = vec![0.0; 3 * side * side];
        apply(&mut whole, [1, 3, side, side], [0, 0], 3.0);
        let (plane, n) = (&whole[..side * side], (side * side) as f32);
        assert_eq!(plane, &whole[side * side..2 * side * side], "it has a colour");
        let mean = plane.iter().sum::<f32>() / n;
        let variance = plane.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / n;
        // Two of a variance of a third each.
        assert!(mean.abs() < 0.2 && (variance / 9.0 - 2.0 / 3.0).abs() < 0.05, "{mean} {variance}");
        let mut tile = vec![0.0; 20 * 30];
        apply(&mut tile, [1, 1, 20, 30], [33, 70], 3.0);
        assert!((0..20).all(|y| tile[y * 30..][..30] == plane[(33 + y) * side + 70..][..30]));
    }
}
