//! The buffers of one scene: kept from frame to frame, so that a frame writes only what has changed.

use std::num::NonZeroU64;

use super::palette::Palette;
use super::pipelines::Pipelines;
use super::quads::Quad;

/// The most panes [`Compare::panes`](super::Compare::panes) gives.
const MAX_PANES: u64 = 2;

pub(super) const UNIFORM_SIZE: u64 = size_of::<PaneUniform>() as u64;
pub(super) const PALETTE_SIZE: u64 = 256 * 4;

/// The shaders' `Pane`.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct PaneUniform {
    pub size: [f32; 2],
    pub split: f32,
    pub show: u32,
    pub checker: f32,
    pub zoom: f32,
    pub original_lod: f32,
    pub pixel_grid: u32,
    /// The pipeline's own `Look`: floats as their bits.
    pub look: [u32; 8],
}

/// What a [`Compositor`](super::Compositor) has handed to the GPU since it was made; a slider's step may only raise
/// `uniforms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Scenes whose uniforms (some 60 bytes) were written.
    pub uniforms: u64,
    /// Scenes whose palette (1 kB) was written: a class was shown, hidden or coloured anew, or the colormap changed.
    pub palettes: u64,
    /// Scenes whose quads were written: the view or the pictures changed.
    pub quads: u64,
    /// Buffers made.
    pub buffers: u64,
}

pub(super) struct Slot {
    uniforms: wgpu::Buffer,
    palette: wgpu::Buffer,
    pub group: wgpu::BindGroup,
    pub quads: wgpu::Buffer,
    uniforms_written: Vec<PaneUniform>,
    palette_written: Option<Palette>,
    quads_written: Vec<Quad>,
}

impl Slot {
    /// `stride`: the distance of two panes' uniforms in their buffer, as the device wants it.
    pub fn new(device: &wgpu::Device, pipelines: &Pipelines, stride: u64, writes: &mut Writes) -> Self {
        let uniform = |label, size| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let (uniforms, palette) =
            (uniform("canvas panes", stride * MAX_PANES), uniform("canvas palette", PALETTE_SIZE));
        let pane = wgpu::BufferBinding { buffer: &uniforms, offset: 0, size: NonZeroU64::new(UNIFORM_SIZE) };
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("canvas pane"),
            layout: &pipelines.uniform_layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(pane) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&pipelines.sampler) },
                wgpu::BindGroupEntry { binding: 2, resource: palette.as_entire_binding() },
            ],
        });
        let quads = quad_buffer(device, 16);
        writes.buffers += 3;
        Self {
            uniforms,
            palette,
            group,
            quads,
            uniforms_written: Vec::new(),
            palette_written: None,
            quads_written: Vec::new(),
        }
    }

    pub fn write_uniforms(
        &mut self,
        queue: &wgpu::Queue,
        stride: u64,
        uniforms: Vec<PaneUniform>,
        writes: &mut Writes,
    ) {
        if uniforms != self.uniforms_written {
            for (number, uniform) in uniforms.iter().enumerate() {
                queue.write_buffer(&self.uniforms, number as u64 * stride, bytemuck::bytes_of(uniform));
            }
            self.uniforms_written = uniforms;
            writes.uniforms += 1;
        }
    }

    pub fn write_palette(&mut self, queue: &wgpu::Queue, palette: Palette, writes: &mut Writes) {
        if self.palette_written.as_ref() != Some(&palette) {
            queue.write_buffer(&self.palette, 0, palette.as_flattened());
            self.palette_written = Some(palette);
            writes.palettes += 1;
        }
    }

    pub fn write_quads(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, quads: Vec<Quad>, writes: &mut Writes) {
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
        label: Some("canvas quads"),
        size: (quads * size_of::<Quad>()) as u64,
        usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
