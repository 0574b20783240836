//! Cuts the visible part of the canvas into rectangles on which neither picture changes its tile. Pure, no wgpu.

use super::texture::SheetPlan;

/// One such rectangle, as the shader's `Quad` takes it; each field is left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Quad {
    /// Pixels in the pane.
    pub screen: [f32; 4],
    /// Original picture pixels, less the whole part of the first visible one.
    pub picture: [f32; 4],
    /// Texels of the original's tile.
    pub original: [f32; 4],
    /// Texels of the result's tile; of a map, 0..=1.
    pub over: [f32; 4],
}

/// A quad's tiles (column, row) in the sheets of the original and of what lies over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub original: [u32; 2],
    pub over: [u32; 2],
}

/// A picture as it lies under the original: its sheet, and its pixels per pixel of the original along x and y.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub plan: &'a SheetPlan,
    pub ratio: [f64; 2],
}

/// A stretch along one axis.
struct Span {
    screen: [f64; 2],
    picture: [f64; 2],
    tile: [u32; 2],
    texels: [[f64; 2]; 2],
}

/// The quads that cover what is visible of a picture of `size`, with its corner at `origin` in a pane of `pane` px;
/// `layers` are the original and what lies over it.
pub(super) fn quads(
    size: [u32; 2],
    origin: [f64; 2],
    zoom: f64,
    pane: [f32; 2],
    layers: [Layer<'_>; 2],
) -> (Vec<Quad>, Vec<Tiles>) {
    let [xs, ys] =
        [0, 1].map(|axis| spans(axis, f64::from(size[axis]), origin[axis], zoom, f64::from(pane[axis]), layers));
    let mut out = (Vec::new(), Vec::new());
    for y in &ys {
        for x in &xs {
            let rect = |of: fn(&Span) -> [f64; 2]| {
                let (x, y) = (of(x), of(y));
                [x[0], y[0], x[1], y[1]].map(|v| v as f32)
            };
            out.0.push(Quad {
                screen: rect(|s| s.screen),
                picture: rect(|s| s.picture),
                original: rect(|s| s.texels[0]),
                over: rect(|s| s.texels[1]),
            });
            out.1.push(Tiles { original: [x.tile[0], y.tile[0]], over: [x.tile[1], y.tile[1]] });
        }
    }
    out
}

fn spans(axis: usize, side: f64, origin: f64, zoom: f64, pane: f64, layers: [Layer<'_>; 2]) -> Vec<Span> {
    // What is visible, in picture pixels; everything beyond is cut here, in f64, so that the shader's f32 suffices.
    let from = (-origin / zoom).max(0.0);
    let to = ((pane - origin) / zoom).min(side);
    if from >= to {
        return Vec::new();
    }
    let mut cuts = vec![from, to];
    for layer in layers {
        let pitch = layer.plan.pitch_in_picture(axis) / layer.ratio[axis];
        let last = layer.plan.grid[axis] - 1;
        let inside = |cut: &f64| *cut > from && *cut < to;
        cuts.extend((1..=last).map(|tile| f64::from(tile) * pitch).filter(inside));
    }
    cuts.sort_by(f64::total_cmp);
    cuts.dedup_by(|a, b| *a - *b < 1e-9);
    let span = |ends: &[f64]| {
        let [a, b] = [ends[0], ends[1]];
        let middle = (a + b) / 2.0;
        let tile = layers.map(|layer| {
            let tile = middle * layer.ratio[axis] / layer.plan.pitch_in_picture(axis);
            (tile as u32).min(layer.plan.grid[axis] - 1)
        });
        let texels = [0, 1].map(|i| {
            let Layer { plan, ratio } = layers[i];
            // Only this axis of the origin is looked at, so the other one may be anything.
            let first = plan.tile_origin([tile[i]; 2])[axis] as f64;
            [a, b].map(|p| p * ratio[axis] / plan.texel() - first)
        });
        Span { screen: [a, b].map(|p| origin + p * zoom), picture: [a, b].map(|p| p - from.floor()), tile, texels }
    };
    cuts.windows(2).map(span).collect()
}
