//! Errors are told and survived.

use super::*;

#[test]
fn bytes_that_are_no_picture_are_refused() {
    let Some(gpu) = gpu() else { return };
    for (size, bytes) in [([2, 2], 15), ([0, 2], 0), ([2, 2], 20)] {
        let error = PictureTexture::upload(&gpu.device, &gpu.queue, size, &vec![0; bytes]).unwrap_err();
        assert!(matches!(error, GpuError::Shape { .. }), "{error}");
    }
}

#[test]
fn no_adapter_is_a_clear_error() {
    let mut options = wgpu_options();
    let WgpuSetup::CreateNew(setup) = &mut options.wgpu_setup else { panic!("a new setup") };
    setup.instance_descriptor.backends = wgpu::Backends::empty();
    let error = open(options).err().expect("there is nothing to open");
    assert!(matches!(error, GpuError::NoAdapter { .. }));
    let text = error.to_string();
    assert!(text.contains("mesa-vulkan-drivers") && text.contains("command line"), "{text}");
}

#[test]
fn a_wgpu_error_is_told_once_and_kills_nothing() {
    let Ok(gpu) = open(wgpu_options()) else {
        return;
    };
    let woken = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let health = GpuHealth::watch(&gpu.device, {
        let woken = woken.clone();
        move || {
            woken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    for _ in 0..3 {
        // A buffer larger than any limit: what a bug in a frame would do again and again.
        let _ = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("too large"),
            size: u64::MAX / 2,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
    }
    let messages = health.drain();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(matches!(&messages[0], GpuError::Refused { reason } if !reason.contains('\n')), "{}", messages[0]);
    assert_eq!(woken.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(health.drain().is_empty() && !health.is_lost());
}

#[test]
fn full_graphics_memory_is_an_error_and_drawing_goes_on() {
    let mut options = wgpu_options();
    let WgpuSetup::CreateNew(setup) = &mut options.wgpu_setup else { panic!("a new setup") };
    // A driver that says how much is free lets wgpu pretend that all of it is taken.
    setup.instance_descriptor.memory_budget_thresholds.for_resource_creation = Some(0);
    let Ok(gpu) = open(options) else { return };
    let health = GpuHealth::watch(&gpu.device, || ());
    match PictureTexture::upload(&gpu.device, &gpu.queue, [64, 64], &[0; 64 * 64 * 4]) {
        Err(error) => {
            assert!(matches!(error, GpuError::OutOfMemory { needed } if needed >= 64 * 64 * 4), "{error}");
            assert!(health.drain().is_empty() && !health.is_lost());
        }
        Ok(_) => println!("skipped, this driver does not tell its memory budget"),
    }
}

#[test]
fn the_adapter_has_a_name_for_people() {
    let Some(gpu) = gpu() else { return };
    let name = lucida::gpu::adapter_summary(&gpu);
    // "llvmpipe (software)", "NVIDIA GeForce RTX 4060 (Vulkan)": a name and in brackets how it draws.
    assert!(name.ends_with(')') && !name.starts_with('('), "{name}");
}

#[test]
fn a_texture_the_device_refuses_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let side = gpu.device.limits().max_texture_dimension_2d + 1;
    // Limits that promise more than the adapter holds.
    let limits = UploadLimits { max_side: 2 * side, max_pixels: UploadLimits::MAX_PIXELS };
    let rgba = vec![255; side as usize * 4];
    let error = PictureTexture::upload_within(&gpu.device, &gpu.queue, [side, 1], &rgba, limits).unwrap_err();
    assert!(matches!(error, GpuError::Refused { .. }) && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn a_lost_device_kills_nothing() {
    let Ok(gpu) = open(wgpu_options()) else {
        return;
    };
    let health = GpuHealth::watch(&gpu.device, || ());
    let size = [32, 32];
    let original = upload(&gpu, size, &[255; 32 * 32 * 4]);
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut compositor = Compositor::new(&gpu.device, format);
    gpu.device.destroy();
    // The frames and uploads under way when it happens: nothing to show any more, but nothing may panic.
    for step in 0..3 {
        let view = View { centre: [16.0, 16.0], zoom: 1.0 + step as f32 };
        let scene = Scene { view, ..scene(&original, None) };
        compositor.prepare(&gpu.device, &gpu.queue, &scene, [32.0, 32.0], 1.0);
        compositor.finish_prepare();
        let _ = PictureTexture::upload(&gpu.device, &gpu.queue, size, &[0; 32 * 32 * 4]);
    }
    assert!(!health.drain().iter().any(|error| matches!(error, GpuError::Lost { .. })), "destroyed on purpose");
}
