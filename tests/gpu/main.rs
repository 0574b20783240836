//! The canvas on an offscreen adapter: the shader against its CPU twin, tiles, comparing, errors, and egui's window.
//!
//! On a machine without any adapter the tests that need one say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attention; // words' maps, contact sheets, animations
mod drawing; // pixels: shader and twin, tiles, comparing, what a slider costs
mod labels; // segmentations: fill, outlines, cut-out, disagreement
mod scalar; // maps of numbers and colormaps
mod showcase; // one picture of each mode, to look at
mod trouble; // no adapter, full memory, errors in a frame
mod window; // the canvas inside egui

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use egui_wgpu::{RenderState, RendererOptions, WgpuSetup};

use lucida::gpu::{
    Blend, ClassColours, Colormap, Compare, Compositor, GpuError, GpuHealth, Interpolation, LabelTexture, Over,
    Overlay, OverlayMode, Pane, PictureTexture, ScalarTexture, Scene, Tint, TintMode, UploadLimits, View, palette,
    wgpu_options,
};

const SURROUND: [f32; 3] = [0.25; 3];
const CLEAR: u8 = 64;

/// One device for all tests, one test at a time: the counters are the process's, and the adapter may be two CPU cores.
fn gpu() -> Option<MutexGuard<'static, RenderState>> {
    static GPU: OnceLock<Option<Mutex<RenderState>>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| match open(wgpu_options()) {
        Ok(state) => Some(Mutex::new(state)),
        Err(error) => {
            // Where one was installed, that it cannot be opened is what tests are for.
            assert!(std::env::var_os("LUCIDA_NEEDS_GPU").is_none(), "no graphics adapter here: {error}");
            println!("skipped, no graphics adapter here: {error}");
            None
        }
    });
    gpu.as_ref().map(|gpu| gpu.lock().unwrap_or_else(PoisonError::into_inner))
}

fn open(options: egui_wgpu::WgpuConfiguration) -> Result<RenderState, GpuError> {
    let instance = pollster::block_on(options.wgpu_setup.new_instance());
    let state = RenderState::create(&options, &instance, None, RendererOptions::PREDICTABLE);
    pollster::block_on(state).map_err(|error| GpuError::from(&error))
}

/// A small linear congruential generator: the same pictures on every machine.
struct Random(u32);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }

    fn picture(&mut self, [w, h]: [u32; 2], alpha: impl Fn(u8) -> u8) -> Vec<u8> {
        let mut pixel = || [self.byte(), self.byte(), self.byte(), alpha(self.byte())];
        (0..w * h).flat_map(|_| pixel()).collect()
    }
}

fn opaque(_: u8) -> u8 {
    255
}

/// A third transparent, a third opaque, the rest between.
fn mixed_alpha(byte: u8) -> u8 {
    match byte {
        0..85 => 0,
        85..170 => byte,
        _ => 255,
    }
}

fn upload(gpu: &RenderState, size: [u32; 2], rgba: &[u8]) -> Arc<PictureTexture> {
    Arc::new(PictureTexture::upload(&gpu.device, &gpu.queue, size, rgba).unwrap())
}

fn upload_tiled(gpu: &RenderState, size: [u32; 2], rgba: &[u8], max_side: u32) -> Arc<PictureTexture> {
    let limits = UploadLimits { max_side, max_pixels: UploadLimits::MAX_PIXELS };
    Arc::new(PictureTexture::upload_within(&gpu.device, &gpu.queue, size, rgba, limits).unwrap())
}

fn upload_labels(gpu: &RenderState, size: [u32; 2], labels: &[u8]) -> Arc<LabelTexture> {
    Arc::new(LabelTexture::upload(&gpu.device, &gpu.queue, size, labels).unwrap())
}

fn upload_values(gpu: &RenderState, size: [u32; 2], values: &[f32]) -> Arc<ScalarTexture> {
    Arc::new(ScalarTexture::upload(&gpu.device, &gpu.queue, size, values).unwrap())
}

/// Regions of many shapes: cells around random seeds, some without a label, and a corner in which every pixel differs.
fn regions(size: [u32; 2], classes: u8, random: &mut Random) -> Vec<u8> {
    let mut below = |n: u32| u32::from(random.byte()) * n / 256;
    let seeds: Vec<_> = (0..14)
        .map(|i| (below(size[0]) as i32, below(size[1]) as i32, if i == 0 { 255 } else { below(classes.into()) as u8 }))
        .collect();
    let mut labels = Vec::new();
    for y in 0..size[1] {
        for x in 0..size[0] {
            let distance = |&&(sx, sy, _): &&(i32, i32, u8)| (sx - x as i32).pow(2) + (sy - y as i32).pow(2);
            let cell = seeds.iter().min_by_key(distance).unwrap().2;
            let noisy = x < size[0] / 5 && y < size[1] / 5;
            labels.push(if noisy { below(classes.into()) as u8 } else { cell });
        }
    }
    labels
}

fn unit(p: &[u8]) -> [f32; 3] {
    [0, 1, 2].map(|c| f32::from(p[c]) / 255.0)
}

fn bytes(colour: [f32; 3]) -> image::Rgba<u8> {
    let [r, g, b] = colour.map(|v| (v * 255.0).round() as u8);
    image::Rgba([r, g, b, 255])
}

fn scene(original: &Arc<PictureTexture>, result: Option<&Arc<PictureTexture>>) -> Scene {
    Scene {
        original: original.clone(),
        over: result.map_or(Over::Nothing, |result| blended(result, Blend::default())),
        compare: Compare::Result,
        view: View::one_to_one(original.size()),
        surround: SURROUND,
        pixel_grid: false,
    }
}

fn blended(result: &Arc<PictureTexture>, blend: Blend) -> Over {
    Over::Picture { result: result.clone(), blend }
}

/// Draws the scene over grey into a target of this format and reads back what a screen would be given.
fn render_as(gpu: &RenderState, scene: &Scene, size: [u32; 2], format: wgpu::TextureFormat) -> image::RgbaImage {
    let mut compositor = Compositor::new(&gpu.device, format);
    draw(gpu, &mut compositor, scene, size, format)
}

fn render(gpu: &RenderState, scene: &Scene, size: [u32; 2]) -> image::RgbaImage {
    render_as(gpu, scene, size, wgpu::TextureFormat::Rgba8Unorm)
}

fn draw(
    gpu: &RenderState,
    compositor: &mut Compositor,
    scene: &Scene,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
) -> image::RgbaImage {
    let RenderState { device, queue, .. } = gpu;
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    let row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(row * height),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let prepared = compositor.prepare(device, queue, scene, [width as f32, height as f32], 1.0);
    compositor.finish_prepare();
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let grey = f64::from(CLEAR) / 255.0;
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color { r: grey, g: grey, b: grey, a: 1.0 }),
                    store: wgpu::StoreOp::Store,
                },
                depth_slice: None,
            })],
            ..Default::default()
        });
        compositor.draw(&mut pass, &prepared, [0.0, 0.0]);
    }
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
    encoder.copy_texture_to_buffer(
        target.as_image_copy(),
        wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
        target.size(),
    );
    queue.submit([encoder.finish()]);
    buffer.map_async(wgpu::MapMode::Read, .., |done| done.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let data = buffer.get_mapped_range(..).unwrap();
    let rows = data.chunks_exact(row as usize).flat_map(|r| &r[..width as usize * 4]);
    image::RgbaImage::from_raw(width, height, rows.copied().collect()).unwrap()
}

/// The largest difference of any channel.
fn apart(a: &image::RgbaImage, b: &image::RgbaImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}
