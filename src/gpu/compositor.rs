//! Draws a [`Scene`] into a render pass: the pipeline, the buffers, and the one uniform that sliders write.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::quads::{Layer, Quad, Tiles, quads};
use super::scene::{Compare, Over, Pane, Scene};
use super::texture::{PictureTexture, Sheet, tile_layout};

/// Added to the level of detail: a touch sharper than neutral, as minified photos want it, and still no shimmer.
const SHARPEN: f32 = -0.25;

/// From this zoom on, pixels are shown as crisp squares (and at exactly 1, where they meet the screen's own).
const CRISP_FROM: f32 = 2.0;

/// From this zoom on, a grid separates the pixels if the scene wants one.
const GRID_FROM: f32 = 8.0;

/// The shader's `Pane`.
#[derive(Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct PaneUniform {
    size: [f32; 2],
    split: f32,
    strength: f32,
    show: u32,
    keep_colours: u32,
    checker: f32,
    zoom: f32,
    original_lod: f32,
    result_lod: f32,
    pixel_grid: u32,
    unused: u32,
}

/// The most panes [`Compare::panes`] gives.
const MAX_PANES: u64 = 2;
const UNIFORM_SIZE: u64 = size_of::<PaneUniform>() as u64;
const SHOW_ORIGINAL: u32 = 0;
const SHOW_RESULT: u32 = 1;
const SHOW_SPLIT: u32 = 2;
const SHOW_DIFFERENCE: u32 = 3;

/// The pipeline and the buffers it draws from; one per device and target format, made once.
pub struct Compositor {
    pipeline: wgpu::RenderPipeline,
    uniform_layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    /// Distance of two panes' uniforms in a buffer, as the device wants it.
    stride: u64,
    slots: Vec<Slot>,
    next: usize,
    writes: Writes,
}

/// What a [`Compositor`] has handed to the GPU since it was made; a slider's step may only raise `uniforms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Scenes whose uniforms (some 50 bytes) were written.
    pub uniforms: u64,
    /// Scenes whose quads were written: the view or the pictures changed.
    pub quads: u64,
    /// Buffers made.
    pub buffers: u64,
}

/// Buffers of one scene; kept from frame to frame, so that a frame writes only what has changed.
struct Slot {
    uniforms: wgpu::Buffer,
    uniform_group: wgpu::BindGroup,
    uniforms_written: Vec<PaneUniform>,
    quads: wgpu::Buffer,
    quads_written: Vec<Quad>,
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
    result: Sampled,
}

/// A texture and how it is sampled.
struct Sampled {
    texture: Arc<PictureTexture>,
    sheet: usize,
    /// The sheet's mip level; -1: the nearest texel.
    mip: f32,
}

impl Compositor {
    /// Compiles the shader for a target of this format; sRGB formats are given linear values, others encoded ones, so
    /// that the screen shows the same either way.
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("composite"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../shaders/composite.wgsl").into()),
        });
        let uniform_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("composite pane"),
            entries: &[
                wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: true,
                        min_binding_size: NonZeroU64::new(UNIFORM_SIZE),
                    },
                    count: None,
                },
                wgpu::BindGroupLayoutEntry {
                    binding: 1,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
                    count: None,
                },
            ],
        });
        let tile = tile_layout(device);
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("composite"),
            bind_group_layouts: &[Some(&uniform_layout), Some(&tile), Some(&tile)],
            immediate_size: 0,
        });
        let attributes = wgpu::vertex_attr_array![0 => Float32x4, 1 => Float32x4, 2 => Float32x4, 3 => Float32x4];
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("composite"),
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_main"),
                buffers: &[Some(wgpu::VertexBufferLayout {
                    array_stride: size_of::<Quad>() as u64,
                    step_mode: wgpu::VertexStepMode::Instance,
                    attributes: &attributes,
                })],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            primitive: wgpu::PrimitiveState { topology: wgpu::PrimitiveTopology::TriangleStrip, ..Default::default() },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(if target.is_srgb() {
                    "fs_main_linear_framebuffer"
                } else {
                    "fs_main_gamma_framebuffer"
                }),
                targets: &[Some(target.into())],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            }),
            multiview_mask: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("composite"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..Default::default() // clamped to the edge
        });
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let stride = UNIFORM_SIZE.next_multiple_of(alignment);
        Self { pipeline, uniform_layout, sampler, stride, slots: Vec::new(), next: 0, writes: Writes::default() }
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
        if self.next == self.slots.len() {
            self.slots.push(Slot::new(device, self));
            self.writes.buffers += 2;
        }
        let slot = self.next;
        self.next += 1;

        let compare = scene.shown();
        let (mut uniforms, mut all_quads, mut panes) = (Vec::new(), Vec::new(), Vec::new());
        for (number, pane) in compare.panes(size).into_iter().enumerate() {
            let Some((ready, quads)) = PreparedPane::new(scene, pane, all_quads.len()) else {
                continue;
            };
            uniforms.push(uniform(scene, &ready, number, pixels_per_point));
            all_quads.extend(quads);
            panes.push(ready);
        }
        let writes = &mut self.writes;
        self.slots[slot].write(device, queue, self.stride, writes, uniforms, all_quads);
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
        pass.set_pipeline(&self.pipeline);
        for (number, ready) in prepared.panes.iter().enumerate() {
            let Pane { offset: [x, y], size: [width, height] } = ready.pane;
            pass.set_viewport(offset[0] + x, offset[1] + y, width, height, 0.0, 1.0);
            // Below 2 panes of at most a few hundred bytes each: it fits.
            pass.set_bind_group(0, &slot.uniform_group, &[(number as u64 * self.stride) as u32]);
            let (Some(original), Some(result)) = (ready.original.sheet(), ready.result.sheet()) else {
                continue;
            };
            for (index, tiles) in ready.tiles.iter().enumerate() {
                let (Some(original), Some(result)) = (original.tile(tiles.original), result.tile(tiles.result)) else {
                    continue;
                };
                pass.set_bind_group(1, original, &[]);
                pass.set_bind_group(2, result, &[]);
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
    let blend = match scene.over {
        Over::Picture { blend, .. } => blend,
        _ => Default::default(),
    };
    let mut split = 0.0;
    let show = match scene.shown() {
        Compare::Original => SHOW_ORIGINAL,
        Compare::Result => SHOW_RESULT,
        Compare::Difference => SHOW_DIFFERENCE,
        Compare::SideBySide if number == 0 => SHOW_ORIGINAL,
        Compare::SideBySide => SHOW_RESULT,
        Compare::Split { at } => {
            let at = at * scene.original.size()[0] as f32;
            split = scene.view.picture_to_screen([at, 0.0], ready.pane.size)[0];
            SHOW_SPLIT
        }
    };
    PaneUniform {
        size: ready.pane.size,
        split,
        strength: blend.strength(),
        show,
        keep_colours: blend.keep_colours.into(),
        checker: checker_square(pixels_per_point) as f32,
        zoom: scene.view.zoom,
        original_lod: ready.original.mip,
        result_lod: ready.result.mip,
        pixel_grid: (scene.pixel_grid && scene.view.zoom >= GRID_FROM).into(),
        unused: 0,
    }
}

impl PreparedPane {
    /// None if nothing of the picture is visible.
    fn new(scene: &Scene, pane: Pane, first_quad: usize) -> Option<(Self, Vec<Quad>)> {
        let result = match &scene.over {
            Over::Picture { result, .. } => result,
            _ => &scene.original,
        };
        let size = scene.original.size();
        let ratio = [0, 1].map(|i| f64::from(result.size()[i]) / f64::from(size[i]));
        let zoom = f64::from(scene.view.zoom);
        let original = Sampled::new(&scene.original, [1.0; 2], zoom);
        let result = Sampled::new(result, ratio, zoom);
        let layers =
            [Layer { plan: original.sheet()?.plan(), ratio: [1.0; 2] }, Layer { plan: result.sheet()?.plan(), ratio }];
        let origin = scene.view.origin(pane.size);
        let (quads, tiles) = quads(size, origin, zoom, pane.size, layers);
        (!quads.is_empty()).then_some((Self { pane, first_quad, tiles, original, result }, quads))
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

impl Slot {
    fn new(device: &wgpu::Device, compositor: &Compositor) -> Self {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("composite panes"),
            size: compositor.stride * MAX_PANES,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let uniform_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("composite panes"),
            layout: &compositor.uniform_layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &uniforms,
                        offset: 0,
                        size: NonZeroU64::new(UNIFORM_SIZE),
                    }),
                },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&compositor.sampler) },
            ],
        });
        let quads = quad_buffer(device, 16);
        Self { uniforms, uniform_group, uniforms_written: Vec::new(), quads, quads_written: Vec::new() }
    }

    fn write(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        stride: u64,
        writes: &mut Writes,
        uniforms: Vec<PaneUniform>,
        quads: Vec<Quad>,
    ) {
        if uniforms != self.uniforms_written {
            for (number, uniform) in uniforms.iter().enumerate() {
                queue.write_buffer(&self.uniforms, number as u64 * stride, bytemuck::bytes_of(uniform));
            }
            self.uniforms_written = uniforms;
            writes.uniforms += 1;
        }
        if quads != self.quads_written {
            if self.quads.size() < size_of_val(&*quads) as u64 {
                self.quads = quad_buffer(device, quads.len().next_power_of_two());
                writes.buffers += 1;
            }
            queue.write_buffer(&self.quads, 0, bytemuck::cast_slice(&quads));
            self.quads_written = quads;
            writes.quads += 1;
        }
    }
}

fn quad_buffer(device: &wgpu::Device, quads: usize) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("composite quads"),
        size: (quads * size_of::<Quad>()) as u64,
        usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
