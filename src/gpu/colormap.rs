//! Perceptual colormaps: what the numbers of a probability or entropy map look like.
//!
//! A map is a table of 256 colours, read by linear interpolation. The scalar pipeline is given the same table (see
//! `shaders/scalar.wgsl`), so there is nothing to fit and nothing in which shader and CPU could differ.

use std::sync::{Arc, OnceLock};

use super::palette::Palette;

/// Which colours stand for small and large values.
///
/// Viridis, magma (van der Walt and Smith 2015) and cividis (Nuñez, Anderton and Renslow 2018) grow evenly in lightness,
/// so they keep their order in print and for colour-blind people; turbo (Mikhailov 2019) shows more steps, but not that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colormap {
    /// Violet, green, yellow.
    #[default]
    Viridis,
    /// Black, magenta, cream.
    Magma,
    /// Blue, grey, yellow: almost the same for colour-blind people.
    Cividis,
    /// A rainbow with even steps.
    Turbo,
    /// Black to white.
    Grey,
}

impl Colormap {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 5] = [Self::Viridis, Self::Magma, Self::Cividis, Self::Turbo, Self::Grey];

    /// Its name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viridis => "Viridis",
            Self::Magma => "Magma",
            Self::Cividis => "Cividis",
            Self::Turbo => "Turbo",
            Self::Grey => "Grey",
        }
    }

    /// The colour, sRGB-encoded 0..=1, of `t` in 0..=1; beyond, and for NaN, the nearest end (NaN as 0).
    pub fn colour(self, t: f32) -> [f32; 3] {
        let palette = self.palette();
        let at = if t > 0.0 { t.min(1.0) * 255.0 } else { 0.0 };
        let below = (at as usize).min(254);
        let (a, b, f) = (palette[below], palette[below + 1], at - below as f32);
        [0, 1, 2].map(|c| (f32::from(a[c]) * (1.0 - f) + f32::from(b[c]) * f) / 255.0)
    }

    /// The map's 256 colours, from low to high.
    pub fn table(self) -> [[u8; 3]; 256] {
        let knots = match self {
            Self::Viridis => &VIRIDIS,
            Self::Magma => &MAGMA,
            Self::Cividis => &CIVIDIS,
            Self::Turbo => &TURBO,
            Self::Grey => return std::array::from_fn(|i| [i as u8; 3]),
        };
        std::array::from_fn(|i| {
            let at = i as f32 * (KNOTS - 1) as f32 / 255.0;
            let below = (at as usize).min(KNOTS - 2);
            let [_, a @ ..] = knots[below].to_be_bytes();
            let [_, b @ ..] = knots[below + 1].to_be_bytes();
            [0, 1, 2]
                .map(|c| (f32::from(a[c]) + (f32::from(b[c]) - f32::from(a[c])) * (at - below as f32)).round() as u8)
        })
    }

    /// The table as the shader takes it; made once.
    pub(super) fn palette(self) -> Palette {
        static PALETTES: [OnceLock<Palette>; Colormap::ALL.len()] = [const { OnceLock::new() }; Colormap::ALL.len()];
        let make = || Arc::new(self.table().map(|[r, g, b]| [r, g, b, 255]));
        PALETTES[self as usize].get_or_init(make).clone()
    }
}

const KNOTS: usize = 33;

// Every eighth colour (0xRRGGBB) of the published tables (matplotlib's, CC0; turbo: Google, Apache-2.0), moved by at most a
// few units so that the lines between them stay within 1.2/255 of all 256 (cividis: 3.6/255, at its bend in the dark).
const VIRIDIS: [u32; KNOTS] = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b, 0x375a8d, 0x33638d,
    0x2f6a8e, 0x2c728e, 0x297a8e, 0x26818e, 0x23898e, 0x21908d, 0x1f988b, 0x1e9f88, 0x21a685, 0x27ae80, 0x31b57b,
    0x3dbc74, 0x4cc26c, 0x5cc963, 0x6ece58, 0x81d44c, 0x96d840, 0xabdc32, 0xc0df24, 0xd5e219, 0xeae519, 0xfde724,
];
const MAGMA: [u32; KNOTS] = [
    0x000003, 0x030311, 0x0a0822, 0x130d33, 0x1d1146, 0x28125a, 0x36106b, 0x430f76, 0x50127c, 0x5d177f, 0x691c81,
    0x762181, 0x822682, 0x8f2a81, 0x9c2e7f, 0xa9327d, 0xb6377a, 0xc33b75, 0xd04170, 0xdb486a, 0xe65063, 0xef5c5e,
    0xf5695b, 0xf9785c, 0xfc8761, 0xfd9668, 0xfea571, 0xfeb47b, 0xfec387, 0xfed194, 0xfde0a1, 0xfceeb0, 0xfcfdbf,
];
const CIVIDIS: [u32; KNOTS] = [
    0x00234e, 0x00285b, 0x002e6b, 0x043372, 0x1c386f, 0x273e6e, 0x32436d, 0x3b496c, 0x434e6c, 0x4b546c, 0x52596d,
    0x5a5f6e, 0x61646f, 0x686a71, 0x6f7073, 0x757676, 0x7c7b78, 0x848179, 0x8b8778, 0x938d78, 0x9b9376, 0xa39a75,
    0xaba072, 0xb3a670, 0xbbad6d, 0xc3b469, 0xccba64, 0xd4c15f, 0xddc958, 0xe6d051, 0xefd748, 0xf9df3b, 0xffe734,
];
const TURBO: [u32; KNOTS] = [
    0x31123c, 0x3a2a74, 0x4040a2, 0x4556c7, 0x476be4, 0x477ff7, 0x4393ff, 0x37a8fb, 0x29bbec, 0x1ccdd8, 0x17dcc3,
    0x1de8b0, 0x30f299, 0x4cf97e, 0x6bfe63, 0x8aff4c, 0xa3fd3c, 0xb8f734, 0xcced34, 0xdee037, 0xedd03a, 0xf8c03a,
    0xfdae35, 0xfe982c, 0xfc8022, 0xf56817, 0xec520e, 0xe14009, 0xd23105, 0xc12302, 0xac1701, 0x950c01, 0x7a0403,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 51st colour of the published tables.
    const PUBLISHED: [(Colormap, [[u8; 3]; 6]); 4] = [
        (
            Colormap::Viridis,
            [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]],
        ),
        (Colormap::Magma, [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]]),
        (
            Colormap::Cividis,
            [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]],
        ),
        (Colormap::Turbo, [[48, 18, 59], [62, 155, 254], [70, 248, 132], [225, 221, 55], [240, 91, 18], [122, 4, 3]]),
    ];

    #[test]
    fn the_maps_are_the_published_ones() {
        for (map, published) in PUBLISHED {
            let table = map.table();
            for (i, expected) in published.into_iter().enumerate() {
                let off = (0..3).map(|c| table[i * 51][c].abs_diff(expected[c])).max();
                assert!(off <= Some(4), "{map:?} at {}: {:?}, not {expected:?}", i * 51, table[i * 51]);
            }
        }
    }

    #[test]
    fn all_but_turbo_grow_lighter_all_the_way() {
        for map in Colormap::ALL.into_iter().filter(|map| *map != Colormap::Turbo) {
            let lightness = map.table().map(|c| crate::gpu::palette::tests::oklab(c)[0]);
            assert!(lightness.windows(2).all(|w| w[1] > w[0] - 0.002), "{map:?}");
            assert!(lightness[255] - lightness[0] > 0.5, "{map:?}");
        }
    }

    #[test]
    fn values_beyond_the_ends_show_the_ends() {
        for map in Colormap::ALL {
            let table = map.table();
            let end = |i: usize| table[i].map(|v| f32::from(v) / 255.0);
            for (t, i) in [(f32::NAN, 0), (-3.0, 0), (0.0, 0), (1.0, 255), (f32::INFINITY, 255)] {
                assert_eq!(map.colour(t), end(i), "{map:?} at {t}");
            }
        }
        assert_eq!(Colormap::Grey.colour(0.5), [0.5; 3]);
    }
}
