//! Draws a [`Scene`] into a render pass: what is written to the GPU for it, and in which order it is drawn.

use std::sync::Arc;

use super::composite::Blend;
use super::labels::{LabelTexture, ScalarTexture};
use super::overlay::{Interpolation, NO_LABEL, OverlayMode, TintMode};
use super::palette::Palette;
use super::pipelines::{Kind, Pipelines};
use super::quads::{Layer, Quad, Tiles, quads};
use super::scene::{Compare, Over, Pane, Scene};
use super::slot::{PaneUniform, Slot, UNIFORM_SIZE, Writes};
use super::texture::{PictureTexture, Sheet, SheetPlan};

/// Added to the level of detail: a touch sharper than neutral, as minified photos want it, and still no shimmer.
const SHARPEN: f32 = -0.25;

/// From this zoom on, pixels are shown as crisp squares (and at exactly 1, where they meet the screen's own).
const CRISP_FROM: f32 = 2.0;

/// From this zoom on, a grid separates the pixels if the scene wants one.
const GRID_FROM: f32 = 8.0;

const SHOW_ORIGINAL: u32 = 0;
const SHOW_LEFT: u32 = 1;
const SHOW_RIGHT: u32 = 2;
const SHOW_SPLIT: u32 = 3;
const SHOW_DIFFERENCE: u32 = 4;

/// The pipelines and the buffers they draw from; one per device and target format, made once.
pub struct Compositor {
    pipelines: Pipelines,
    /// Distance of two panes' uniforms in a buffer, as the device wants it.
    stride: u64,
    slots: Vec<Slot>,
    next: usize,
    writes: Writes,
}

/// A scene made ready by [`Compositor::prepare`], to be drawn once in the same frame.
pub struct Prepared {
    slot: usize,
    panes: Vec<PreparedPane>,
}

struct PreparedPane {
    pane: Pane,
    first_quad: usize,
    tiles: Vec<Tiles>,
    original: Sampled,
    over: Laid,
}

/// A picture and how it is sampled.
struct Sampled {
    texture: Arc<PictureTexture>,
    sheet: usize,
    /// The sheet's mip level; -1: the nearest texel.
    mip: f32,
}

/// What lies over the original.
enum Laid {
    Picture(Sampled),
    /// The second is the left side of a comparison; the same map again where there is none.
    Labels([Arc<LabelTexture>; 2]),
    Scalar(Arc<ScalarTexture>),
}

impl Compositor {
    /// Compiles what draws pictures for a target of this format; sRGB formats are given linear values, others encoded ones, so
    /// that the screen shows the same either way.
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        Self {
            pipelines: Pipelines::new(device, target),
            stride: UNIFORM_SIZE.next_multiple_of(alignment),
            slots: Vec::new(),
            next: 0,
            writes: Writes::default(),
        }
    }

    /// Writes what has changed since this scene was drawn last: a uniform when a slider moved, the quads too when the
    /// view did. `size` is the canvas in physical px; a point of the interface is `pixels_per_point` of them.
    pub fn prepare(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scene: &Scene,
        size: [f32; 2],
        pixels_per_point: f32,
    ) -> Prepared {
        let (slot, writes) = (self.next, &mut self.writes);
        self.next += 1;
        if slot == self.slots.len() {
            self.slots.push(Slot::new(device, &self.pipelines, self.stride, writes));
        }
        let (mut uniforms, mut all_quads, mut panes) = (Vec::new(), Vec::new(), Vec::new());
        for (number, pane) in scene.shown().panes(size).into_iter().enumerate() {
            let Some((ready, quads)) = PreparedPane::new(scene, pane, all_quads.len()) else {
                continue;
            };
            self.pipelines.compile(device, ready.over.kind());
            uniforms.push(uniform(scene, &ready, number, pixels_per_point));
            all_quads.extend(quads);
            panes.push(ready);
        }
        let buffers = &mut self.slots[slot];
        buffers.write_uniforms(queue, self.stride, uniforms, writes);
        buffers.write_quads(device, queue, all_quads, writes);
        if let Some(palette) = palette(scene) {
            buffers.write_palette(queue, palette, writes);
        }
        Prepared { slot, panes }
    }

    /// Ends the preparing of a frame: the next [`prepare`](Self::prepare) is the first of another frame.
    pub fn finish_prepare(&mut self) {
        self.next = 0;
    }

    /// What was written to the GPU so far.
    pub fn writes(&self) -> Writes {
        self.writes
    }

    /// Draws the picture (not its surround) with the canvas' top left at `offset` px of the target.
    pub fn draw(&self, pass: &mut wgpu::RenderPass<'_>, prepared: &Prepared, offset: [f32; 2]) {
        let Some(slot) = self.slots.get(prepared.slot) else {
            return;
        };
        for (number, ready) in prepared.panes.iter().enumerate() {
            let Pane { offset: [x, y], size: [width, height] } = ready.pane;
            let kind = ready.over.kind();
            let (Some(original), Some(pipeline)) = (ready.original.sheet(), self.pipelines.of(kind)) else {
                continue;
            };
            pass.set_viewport(offset[0] + x, offset[1] + y, width, height, 0.0, 1.0);
            pass.set_pipeline(pipeline);
            // Below 2 panes of at most a few hundred bytes each: it fits.
            pass.set_bind_group(0, &slot.group, &[(number as u64 * self.stride) as u32]);
            for (index, tiles) in ready.tiles.iter().enumerate() {
                let Some(original) = original.tile(tiles.original) else {
                    continue;
                };
                pass.set_bind_group(1, original, &[]);
                for (group, over) in (2..).zip(ready.over.groups(tiles.over)) {
                    pass.set_bind_group(group, over, &[]);
                }
                // Not by `first_instance`, which OpenGL ES lacks.
                let start = ((ready.first_quad + index) * size_of::<Quad>()) as u64;
                pass.set_vertex_buffer(0, slot.quads.slice(start..start + size_of::<Quad>() as u64));
                pass.draw(0..4, 0..1);
            }
        }
    }
}

/// The side of a square of the board behind transparent pixels, in physical px: 8 points of the interface.
pub(super) fn checker_square(pixels_per_point: f32) -> u32 {
    (8.0 * pixels_per_point).round().max(1.0) as u32
}

fn uniform(scene: &Scene, ready: &PreparedPane, number: usize, pixels_per_point: f32) -> PaneUniform {
    let mut split = 0.0;
    let show = match scene.shown() {
        Compare::Original => SHOW_ORIGINAL,
        Compare::Result => SHOW_RIGHT,
        Compare::Difference => SHOW_DIFFERENCE,
        Compare::SideBySide if number == 0 => SHOW_LEFT,
        Compare::SideBySide => SHOW_RIGHT,
        Compare::Split { at } => {
            let at = at * scene.original.size()[0] as f32;
            split = scene.view.picture_to_screen([at, 0.0], ready.pane.size)[0];
            SHOW_SPLIT
        }
    };
    let grid = scene.pixel_grid && scene.view.zoom >= GRID_FROM;
    PaneUniform {
        size: ready.pane.size,
        split,
        show,
        checker: checker_square(pixels_per_point) as f32,
        zoom: scene.view.zoom,
        original_lod: ready.original.mip,
        pixel_grid: grid.into(),
        look: look(scene, &ready.over, grid),
    }
}

/// The `Look` of the pipeline that draws this.
fn look(scene: &Scene, laid: &Laid, grid: bool) -> [u32; 8] {
    match (&scene.over, laid) {
        (Over::Labels { other, overlay, .. }, _) => {
            let pixel = scene.original.size().map(|side| 1.0 / (side as f32 * scene.view.zoom));
            let mode = match overlay.mode {
                OverlayMode::Fill => 0,
                OverlayMode::Outlines => 1,
                OverlayMode::CutOut => 2,
            };
            let lit = overlay.lit().unwrap_or(NO_LABEL);
            let [x, y] = pixel.map(f32::to_bits);
            let places = if grid { 1 } else { 4 };
            [x, y, overlay.opacity().to_bits(), mode, lit.into(), other.is_some().into(), places, 0]
        }
        (Over::Scalar { map, tint }, _) => {
            let lod = map.mip(scene.original.size(), f64::from(scene.view.zoom));
            let [low, scale] = tint.range();
            let [opacity, low, scale, lod] = [tint.opacity(), low, scale, lod].map(f32::to_bits);
            let mode = match tint.mode {
                TintMode::Colours => 0,
                TintMode::Spotlight => 1,
            };
            let cubic = tint.interpolation == Interpolation::CubicBSpline;
            [opacity, low, scale, lod, mode, tint.fades.into(), cubic.into(), 0]
        }
        (over, laid) => {
            let blend = if let Over::Picture { blend, .. } = over { *blend } else { Blend::default() };
            let lod = if let Laid::Picture(result) = laid { result.mip } else { 0.0 };
            [blend.strength().to_bits(), blend.keep_colours.into(), lod.to_bits(), 0, 0, 0, 0, 0]
        }
    }
}

/// The palette of what lies over the picture, if it has one.
fn palette(scene: &Scene) -> Option<Palette> {
    match &scene.over {
        Over::Labels { overlay, .. } => Some(overlay.colours.palette().clone()),
        Over::Scalar { tint, .. } => Some(tint.colormap.palette()),
        Over::Nothing | Over::Picture { .. } => None,
    }
}

impl PreparedPane {
    /// None if nothing of the picture is visible.
    fn new(scene: &Scene, pane: Pane, first_quad: usize) -> Option<(Self, Vec<Quad>)> {
        let size = scene.original.size();
        let zoom = f64::from(scene.view.zoom);
        let original = Sampled::new(&scene.original, [1.0; 2], zoom);
        let mut ratio = size.map(|side| 1.0 / f64::from(side));
        let over = match &scene.over {
            Over::Labels { labels, other, .. } => {
                Laid::Labels([labels.clone(), other.as_ref().unwrap_or(labels).clone()])
            }
            Over::Scalar { map, .. } => Laid::Scalar(map.clone()),
            Over::Picture { .. } | Over::Nothing => {
                let result = if let Over::Picture { result, .. } = &scene.over { result } else { &scene.original };
                ratio = [0, 1].map(|i| f64::from(result.size()[i]) / f64::from(size[i]));
                Laid::Picture(Sampled::new(result, ratio, zoom))
            }
        };
        let layers = [Layer { plan: original.sheet()?.plan(), ratio: [1.0; 2] }, Layer { plan: over.plan()?, ratio }];
        let origin = scene.view.origin(pane.size);
        let (quads, tiles) = quads(size, origin, zoom, pane.size, layers);
        (!quads.is_empty()).then_some((Self { pane, first_quad, tiles, original, over }, quads))
    }
}

impl Laid {
    fn kind(&self) -> Kind {
        match self {
            Self::Picture(_) => Kind::Picture,
            Self::Labels(_) => Kind::Labels,
            Self::Scalar(_) => Kind::Scalar,
        }
    }

    fn plan(&self) -> Option<&SheetPlan> {
        match self {
            Self::Picture(result) => result.sheet().map(Sheet::plan),
            Self::Labels(_) | Self::Scalar(_) => Some(&SheetPlan::UNIT),
        }
    }

    /// The bind groups from number 2 on.
    fn groups(&self, tile: [u32; 2]) -> impl Iterator<Item = &wgpu::BindGroup> {
        let [first, second] = match self {
            Self::Picture(result) => [result.sheet().and_then(|sheet| sheet.tile(tile)), None],
            Self::Labels([labels, other]) => [Some(labels.group()), Some(other.group())],
            Self::Scalar(map) => [Some(map.group()), None],
        };
        first.into_iter().chain(second)
    }
}

impl Sampled {
    /// `ratio`: the texture's pixels per pixel of the original.
    fn new(texture: &Arc<PictureTexture>, ratio: [f64; 2], zoom: f64) -> Self {
        let lod = (ratio[0].max(ratio[1]) / zoom).log2() as f32 + SHARPEN;
        let sheet = texture.sheet_index(lod);
        // Crisp squares only for real pixels: a smaller preview or a scaled texture is a stand-in, and looks better smooth.
        let real = ratio == [1.0; 2] && texture.scale() == 1.0;
        let crisp = zoom >= f64::from(CRISP_FROM) || zoom == 1.0;
        let mip = match texture.sheet(sheet) {
            _ if real && crisp => -1.0,
            Some(sheet) => (lod - sheet.plan().first as f32).clamp(0.0, (sheet.plan().levels - 1) as f32),
            None => 0.0,
        };
        Self { texture: texture.clone(), sheet, mip }
    }

    fn sheet(&self) -> Option<&Sheet> {
        self.texture.sheet(self.sheet)
    }
}
