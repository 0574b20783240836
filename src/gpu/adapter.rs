//! Which graphics adapter is opened, with which limits, and what it is called.

use std::sync::Arc;

use egui_wgpu::{RenderState, WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};

/// The wgpu configuration for eframe's `NativeOptions::wgpu_options`: any adapter that can show a window, be it
/// Vulkan, Metal, DirectX or OpenGL, in hardware or software, with its own limits.
///
/// `WGPU_BACKEND` and `WGPU_POWER_PREF` are honoured. Needs eframe's default `multisampling` and `depth_buffer` of 0.
pub fn wgpu_options() -> WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("lucida"),
        // egui would ask for 8192 texels at most, which adapters may exceed or not reach; what the adapter itself
        // offers can never be refused.
        required_limits: adapter.limits(),
        ..Default::default()
    });
    WgpuConfiguration { wgpu_setup: WgpuSetup::CreateNew(setup), ..Default::default() }
}

/// The adapter's name for the status bar, for instance "NVIDIA GeForce RTX 4060 (Vulkan)" or "llvmpipe (software)".
pub fn adapter_summary(state: &RenderState) -> String {
    summary(&state.adapter.get_info())
}

fn summary(info: &wgpu::AdapterInfo) -> String {
    // Mesa adds its compiler and versions in brackets, which tells nobody anything.
    let name = info.name.split(" (").next().unwrap_or_default().trim();
    let name = if name.is_empty() { "graphics adapter" } else { name };
    let kind = match info.device_type {
        wgpu::DeviceType::Cpu => "software",
        _ => match info.backend {
            wgpu::Backend::Vulkan => "Vulkan",
            wgpu::Backend::Metal => "Metal",
            wgpu::Backend::Dx12 => "DirectX 12",
            wgpu::Backend::Gl => "OpenGL",
            _ => return name.to_owned(),
        },
    };
    format!("{name} ({kind})")
}
