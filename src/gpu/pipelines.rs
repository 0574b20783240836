//! The pipelines of the canvas: one for each kind of thing that may lie over a picture.

use std::num::NonZeroU64;

use super::labels::label_layout;
use super::quads::Quad;
use super::slot::{PALETTE_SIZE, UNIFORM_SIZE};
use super::texture::tile_layout;

/// What a pipeline lays over the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Labels,
    Scalar,
}

/// The pipelines of a device and target format, and what their bind group 0 is made of.
pub(super) struct Pipelines {
    target: wgpu::TextureFormat,
    /// Each is compiled when it is needed first: a software adapter takes its time.
    compiled: [Option<wgpu::RenderPipeline>; 3],
    pub uniform_layout: wgpu::BindGroupLayout,
    pub sampler: wgpu::Sampler,
}

macro_rules! shader {
    ($name:literal) => {
        concat!(include_str!("../../shaders/pane.wgsl"), include_str!(concat!("../../shaders/", $name, ".wgsl")))
    };
}

impl Pipelines {
    /// With the pipeline for pictures compiled.
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("canvas"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..Default::default() // clamped to the edge
        });
        let mut pipelines =
            Self { target, compiled: [const { None }; 3], uniform_layout: uniform_layout(device), sampler };
        pipelines.compile(device, Kind::Picture);
        pipelines
    }

    /// Compiles the pipeline unless it is.
    pub fn compile(&mut self, device: &wgpu::Device, kind: Kind) {
        let Self { target, compiled, uniform_layout, .. } = self;
        compiled[kind as usize].get_or_insert_with(|| {
            let (tile, labels) = (tile_layout(device), label_layout(device));
            let make = |name, shader, over: &[_]| {
                let groups: Vec<_> = [&*uniform_layout, &tile].iter().chain(over).map(|group| Some(*group)).collect();
                pipeline(device, *target, name, shader, &groups)
            };
            match kind {
                Kind::Picture => make("composite", shader!("composite"), &[&tile]),
                Kind::Labels => make("overlay", shader!("overlay"), &[&labels, &labels]),
                Kind::Scalar => make("scalar", shader!("scalar"), &[&tile]),
            }
        });
    }

    /// The pipeline, once it is compiled.
    pub fn of(&self, kind: Kind) -> Option<&wgpu::RenderPipeline> {
        self.compiled[kind as usize].as_ref()
    }
}

fn uniform_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, visibility, ty| wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None };
    let uniform = |size, has_dynamic_offset| wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset,
        min_binding_size: NonZeroU64::new(size),
    };
    let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("canvas pane"),
        entries: &[
            entry(0, wgpu::ShaderStages::VERTEX_FRAGMENT, uniform(UNIFORM_SIZE, true)),
            entry(1, wgpu::ShaderStages::FRAGMENT, sampler),
            entry(2, wgpu::ShaderStages::FRAGMENT, uniform(PALETTE_SIZE, false)),
        ],
    })
}

fn pipeline(
    device: &wgpu::Device,
    target: wgpu::TextureFormat,
    name: &str,
    shader: &str,
    groups: &[Option<&wgpu::BindGroupLayout>],
) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(shader.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: groups,
        immediate_size: 0,
    });
    let attributes = wgpu::vertex_attr_array![0 => Float32x4, 1 => Float32x4, 2 => Float32x4, 3 => Float32x4];
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(name),
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
    })
}
