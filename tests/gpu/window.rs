//! The canvas as a part of an egui window. Each picture is kept in `target/tmp` to be looked at.

use super::*;

/// A photo-like gradient with a transparent disc, and the "result": the same in other colours, opaque.
fn pair(size: [u32; 2]) -> [Vec<u8>; 2] {
    let [w, h] = size.map(|v| v as f32);
    let make = |f: &dyn Fn(f32, f32) -> [u8; 4]| {
        let mut out = Vec::new();
        for y in 0..size[1] {
            for x in 0..size[0] {
                out.extend(f(x as f32 / w, y as f32 / h));
            }
        }
        out
    };
    let byte = |v: f32| (v * 255.0) as u8;
    let hole = |x: f32, y: f32| {
        if (x - 0.5).hypot(y - 0.5) < 0.15 { 0 } else { 255 }
    };
    [
        make(&|x, y| [byte(x), byte(y), 128, hole(x, y)]),
        make(&|x, y| [200, byte(1.0 - x), byte((x * 20.0).sin().abs() * y), 255]),
    ]
}

/// A window as egui draws it, and where its canvas is.
struct Window {
    image: image::RgbaImage,
    canvas: egui::Rect,
    panes: Vec<Pane>,
    view: View,
    pixels_per_point: f32,
}

impl Window {
    /// A side panel, and the canvas in what is left.
    fn open(compare: Compare, pixels_per_point: f32) -> Option<Self> {
        let state = open(wgpu_options()).ok()?;
        lucida::gpu::install(&state);
        let size = [200, 100];
        let [original, result] = pair(size).map(|rgba| upload(&state, size, &rgba));
        let renderer = egui_kittest::wgpu::WgpuTestRenderer::from_render_state(state);
        let place = move |rect: egui::Rect| {
            let canvas = (rect.size() * pixels_per_point).round();
            let panes = compare.panes(canvas.into());
            (View::fit(size, panes[0].size), panes)
        };
        let mut harness = egui_kittest::Harness::builder()
            .with_size([360.0, 200.0])
            .with_pixels_per_point(pixels_per_point)
            .renderer(renderer)
            .build_ui_state(
                move |ui, canvas| {
                    egui::Panel::left("controls").exact_size(60.0).show(ui, |ui| ui.label("Style"));
                    egui::CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
                        *canvas = ui.max_rect();
                        let (view, _) = place(*canvas);
                        let scene = Scene { compare, view, ..scene(&original, Some(&result)) };
                        ui.painter().add(lucida::gpu::paint(scene, *canvas));
                    });
                },
                egui::Rect::NOTHING,
            );
        harness.run();
        let image = harness.render().unwrap();
        let name = format!("canvas-{compare:?}-{pixels_per_point}.png").replace([' ', '{', '}', ':'], "");
        image.save(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap();
        let canvas = *harness.state();
        let (view, panes) = place(canvas);
        Some(Self { image, canvas, panes, view, pixels_per_point })
    }

    /// The colour on screen where a pane shows this picture position.
    fn at(&self, pane: usize, position: [f32; 2]) -> [u8; 4] {
        let Pane { offset, size } = self.panes[pane];
        let p = self.view.picture_to_screen(position, size);
        let corner = (self.canvas.min * self.pixels_per_point).round();
        let [x, y] = [corner.x + offset[0] + p[0], corner.y + offset[1] + p[1]];
        self.image.get_pixel(x as u32, y as u32).0
    }
}

#[test]
fn egui_shows_the_encoded_values_unchanged() {
    for pixels_per_point in [1.0, 1.5] {
        let Some(window) = Window::open(Compare::Split { at: 0.5 }, pixels_per_point) else {
            return;
        };
        let [original, result] = pair([200, 100]);
        // Away from the disc and from the steep stripes, where the linear filter changes little.
        for (x, y) in [(10, 10), (60, 80), (85, 20), (140, 4), (190, 8)] {
            let expected = if x < 100 { &original } else { &result };
            let expected = &expected[(y * 200 + x) * 4..][..3];
            let shown = window.at(0, [x as f32 + 0.5, y as f32 + 0.5]);
            for c in 0..3 {
                assert!(shown[c].abs_diff(expected[c]) <= 4, "{shown:?}, not {expected:?} at {x}, {y}");
            }
        }
        let grey = (SURROUND[0] * 255.0).round() as u8;
        assert_eq!(window.at(0, [100.0, -5.0]), [grey, grey, grey, 255]);
        let board = lucida::gpu::composite::CHECKER.map(|v| (v * 255.0).round() as u8);
        let hole = window.at(0, [90.0, 50.0]);
        assert!(board.contains(&hole[0]), "{hole:?}");
    }
}

#[test]
fn egui_draws_two_panes() {
    let Some(window) = Window::open(Compare::SideBySide, 1.0) else {
        return;
    };
    let (left, right) = (window.at(0, [4.5, 50.0]), window.at(1, [4.5, 50.0]));
    assert!(left[0] < 30 && right[0] == 200, "{left:?} {right:?}");
    // The divider has the surround's colour.
    assert_eq!(window.at(0, [199.5, 50.0]), window.at(0, [199.5, -5.0]));
}
