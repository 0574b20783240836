//! How much of the GPU's memory is taken.

use std::time::{Duration, Instant};

/// Asking takes a list of all allocations, so not every frame does.
const FRESH: Duration = Duration::from_secs(1);

/// Watches a device's memory.
pub struct GpuMemory {
    device: wgpu::Device,
    known: Option<(Instant, Option<u64>)>,
}

impl GpuMemory {
    /// Of this device.
    pub fn of(device: &wgpu::Device) -> GpuMemory {
        GpuMemory { device: device.clone(), known: None }
    }

    /// Bytes that textures and buffers take, as of a second ago at most; `None` where the backend does not tell.
    pub fn bytes(&mut self) -> Option<u64> {
        match self.known {
            Some((at, bytes)) if at.elapsed() < FRESH => bytes,
            _ => {
                let bytes = self.device.generate_allocator_report().map(|report| report.total_allocated_bytes);
                self.known = Some((Instant::now(), bytes));
                bytes
            }
        }
    }
}
