//! The canvas as a shape that egui draws.

use std::sync::{Mutex, PoisonError};

use egui::{Color32, CornerRadius, PaintCallbackInfo, Rect, Shape, Vec2, vec2};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};

use super::compositor::{Compositor, Prepared};
use super::scene::{Compare, Scene};

/// Width of the line between two pictures side by side, in points.
const DIVIDER: f32 = 2.0;

/// Compiles the canvas' pipeline; once, when the window opens, before the first [`paint`].
pub fn install(state: &RenderState) {
    let compositor = Compositor::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(compositor);
}

/// The scene as a shape that fills `rect` (in points): its surround, the pictures, and a line between two panes.
///
/// Draws only the surround where [`install`] was not called.
pub fn paint(scene: Scene, rect: Rect) -> Shape {
    let [r, g, b] = scene.surround.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8);
    let surround = Color32::from_rgb(r, g, b);
    let mut shapes = vec![Shape::rect_filled(rect, CornerRadius::ZERO, surround)];
    let divided = scene.shown() == Compare::SideBySide;
    let canvas = Canvas { scene, rect, prepared: Mutex::new(None) };
    shapes.push(egui_wgpu::Callback::new_paint_callback(rect, canvas).into());
    if divided {
        // Of the surround's colour, so that it parts the pictures and is not seen where there are none.
        let line = Rect::from_center_size(rect.center(), vec2(DIVIDER, rect.height()));
        shapes.push(Shape::rect_filled(line, CornerRadius::ZERO, surround));
    }
    Shape::Vec(shapes)
}

struct Canvas {
    scene: Scene,
    rect: Rect,
    /// From `prepare` to `paint`, which egui both calls by shared reference.
    prepared: Mutex<Option<Prepared>>,
}

impl CallbackTrait for Canvas {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(compositor) = resources.get_mut::<Compositor>() {
            // The viewport as `paint` will be given it, rounded and cut to the screen by egui.
            let info = PaintCallbackInfo {
                viewport: self.rect,
                clip_rect: self.rect,
                pixels_per_point: screen.pixels_per_point,
                screen_size_px: screen.size_in_pixels,
            };
            let (_, size) = viewport(&info);
            let prepared = compositor.prepare(device, queue, &self.scene, size.into(), screen.pixels_per_point);
            *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared);
        }
        Vec::new()
    }

    fn finish_prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(compositor) = resources.get_mut::<Compositor>() {
            compositor.finish_prepare();
        }
        Vec::new()
    }

    fn paint(&self, info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(compositor), Some(prepared)) = (resources.get::<Compositor>(), &*prepared) {
            let (offset, _) = viewport(&info);
            compositor.draw(pass, prepared, offset.into());
        }
    }
}

/// Top left and size of the callback's rectangle, physical px.
fn viewport(info: &PaintCallbackInfo) -> (Vec2, Vec2) {
    let px = info.viewport_in_pixels();
    (vec2(px.left_px as f32, px.top_px as f32), vec2(px.width_px as f32, px.height_px as f32))
}
