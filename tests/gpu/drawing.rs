//! What reaches the screen, pixel by pixel.

use super::*;
use lucida::gpu::composite::{blend, difference, over_checker};

/// What the CPU twin makes of a scene at 1:1 that fills the canvas exactly.
fn twin(size: [u32; 2], original: &[u8], result: &[u8], b: Blend, compare: Compare) -> image::RgbaImage {
    let unit = |p: &[u8]| [0, 1, 2].map(|c| f32::from(p[c]) / 255.0);
    image::RgbaImage::from_fn(size[0], size[1], |x, y| {
        let at = ((y * size[0] + x) * 4) as usize;
        let (o, r) = (unit(&original[at..]), unit(&result[at..]));
        let alpha = f32::from(original[at + 3]) / 255.0;
        let mixed = blend(o, r, b);
        let over = |colour| over_checker(colour, alpha, [x, y], 8);
        let colour = match compare {
            Compare::Original => over(o),
            Compare::Split { at } if (x as f32 + 0.5) < at * size[0] as f32 => over(o),
            Compare::Difference => difference(o, mixed).map(|v| v * alpha),
            _ => over(mixed),
        };
        let [r, g, b] = colour.map(|v| (v * 255.0).round() as u8);
        image::Rgba([r, g, b, 255])
    })
}

#[test]
fn the_shader_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let size = [96, 64];
    let mut random = Random(1);
    for alpha in [opaque as fn(u8) -> u8, mixed_alpha] {
        let (o, r) = (random.picture(size, alpha), random.picture(size, opaque));
        let (original, result) = (upload(&gpu, size, &o), upload(&gpu, size, &r));
        for strength in [0.0, 0.2, 0.5, 0.83, 1.0, 1.7] {
            for keep_colours in [false, true] {
                for compare in [Compare::Result, Compare::Original, Compare::Split { at: 0.4 }, Compare::Difference] {
                    let blend = Blend { strength, keep_colours };
                    let scene = Scene { over: blended(&result, blend), compare, ..scene(&original, None) };
                    let expected = twin(size, &o, &r, blend, compare);
                    let off = apart(&render(&gpu, &scene, size), &expected);
                    assert!(off <= 1, "{off}/255 at {blend:?} {compare:?}");
                }
            }
        }
    }
}

#[test]
fn an_srgb_target_shows_the_same_values() {
    let Some(gpu) = gpu() else { return };
    let size = [256, 4];
    let ramp: Vec<u8> = (0..4).flat_map(|_| (0..=255u8).flat_map(|v| [v, v, 255 - v, 255])).collect();
    let scene = scene(&upload(&gpu, size, &ramp), None);
    let plain = render(&gpu, &scene, size);
    assert_eq!(plain.as_raw(), &ramp);
    let srgb = render_as(&gpu, &scene, size, wgpu::TextureFormat::Rgba8UnormSrgb);
    assert!(apart(&plain, &srgb) <= 1);
}

#[test]
fn tiles_cannot_be_told_from_one_texture() {
    let Some(gpu) = gpu() else { return };
    let size = [200, 150];
    let mut random = Random(2);
    for alpha in [opaque as fn(u8) -> u8, mixed_alpha] {
        let (o, r) = (random.picture(size, alpha), random.picture(size, opaque));
        let whole = [upload(&gpu, size, &o), upload(&gpu, size, &r)];
        assert_eq!(whole[0].tiles(), 1);
        // Different tile sizes, so that the two grids interleave.
        let tiled = [upload_tiled(&gpu, size, &o, 64), upload_tiled(&gpu, size, &r, 56)];
        assert!(tiled[0].tiles() > 10 && tiled[1].tiles() > tiled[0].tiles());
        for zoom in [0.1, 0.27, 0.5, 0.7, 1.0, 1.3, 3.0, 9.5] {
            let view = View { centre: [90.3, 77.7], zoom };
            let blend = Blend { strength: 0.6, keep_colours: true };
            let of = |[o, r]: &[Arc<PictureTexture>; 2]| {
                let scene = Scene { view, over: blended(r, blend), pixel_grid: true, ..scene(o, None) };
                render(&gpu, &scene, [180, 140])
            };
            let off = apart(&of(&whole), &of(&tiled));
            assert!(off <= 1, "{off}/255 at zoom {zoom}");
        }
    }
}

#[test]
fn a_side_beyond_the_adapters_limit_is_tiled() {
    let Some(gpu) = gpu() else { return };
    let side = gpu.device.limits().max_texture_dimension_2d + 1000;
    let rgba: Vec<u8> =
        (0..side).flat_map(|x| if x < side - 500 { [255, 0, 0, 255] } else { [0, 0, 255, 255] }).collect();
    let texture = upload(&gpu, [side, 1], &rgba);
    assert!(texture.tiles() > 1 && texture.scale() == 1.0);
    let view = View { centre: [(side - 500) as f32, 0.5], zoom: 16.0 };
    let shown = render(&gpu, &Scene { view, ..scene(&texture, None) }, [32, 16]);
    assert_eq!(shown.get_pixel(15, 8).0, [255, 0, 0, 255]);
    assert_eq!(shown.get_pixel(16, 8).0, [0, 0, 255, 255]);
}

#[test]
fn a_picture_over_the_budget_is_shown_scaled() {
    let Some(gpu) = gpu() else { return };
    let size = [64, 48];
    let rgba = [40, 80, 120, 255].repeat(64 * 48);
    let limits = UploadLimits { max_side: 8192, max_pixels: 1000 };
    let texture = PictureTexture::upload_within(&gpu.device, &gpu.queue, size, &rgba, limits).unwrap();
    assert_eq!((texture.scale(), texture.size(), texture.tiles()), (0.5, size, 1));
    assert!(texture.bytes() >= 32 * 24 * 4 && texture.bytes() < 64 * 48 * 4);
    let shown = render(&gpu, &scene(&Arc::new(texture), None), size);
    assert!(shown.pixels().all(|p| p.0 == [40, 80, 120, 255]));
}

#[test]
fn a_smaller_result_covers_the_whole_original() {
    let Some(gpu) = gpu() else { return };
    let original = upload(&gpu, [160, 120], &[0, 0, 0, 255].repeat(160 * 120));
    let rgba: Vec<u8> = (0..30).flat_map(|_| (0..40).flat_map(|x| [(x * 6) as u8, 99, 0, 255])).collect();
    for result in [upload(&gpu, [40, 30], &rgba), upload_tiled(&gpu, [40, 30], &rgba, 16)] {
        let shown = render(&gpu, &scene(&original, Some(&result)), [160, 120]);
        for x in 4..156 {
            let expected = ((x as f32 + 0.5) / 4.0 - 0.5) * 6.0;
            let p = shown.get_pixel(x, 60).0;
            assert!((f32::from(p[0]) - expected).abs() <= 1.0 && p[1] == 99, "{p:?} at {x}, not {expected}");
        }
    }
}

#[test]
fn side_by_side_links_two_panes() {
    let Some(gpu) = gpu() else { return };
    let size = [40, 30];
    let mut random = Random(3);
    let (o, r) = (random.picture(size, opaque), random.picture(size, opaque));
    let (original, result) = (upload(&gpu, size, &o), upload(&gpu, size, &r));
    let pair = Scene { compare: Compare::SideBySide, ..scene(&original, Some(&result)) };
    let shown = render(&gpu, &pair, [100, 30]);
    for (left, picture) in [(5, &o), (55, &r)] {
        let part = image::imageops::crop_imm(&shown, left, 0, 40, 30).to_image();
        assert_eq!(part.as_raw(), picture);
    }
    assert_eq!(shown.get_pixel(2, 2).0, [CLEAR, CLEAR, CLEAR, 255]);
    assert_eq!(shown.get_pixel(49, 2).0, [CLEAR, CLEAR, CLEAR, 255]);
}

#[test]
fn without_a_result_the_original_is_shown() {
    let Some(gpu) = gpu() else { return };
    let size = [20, 10];
    let rgba = Random(4).picture(size, opaque);
    let original = upload(&gpu, size, &rgba);
    for compare in [Compare::Result, Compare::SideBySide, Compare::Difference, Compare::Split { at: 0.5 }] {
        let shown = render(&gpu, &Scene { compare, ..scene(&original, None) }, size);
        assert_eq!(shown.as_raw(), &rgba);
    }
}

#[test]
fn minified_detail_does_not_shimmer() {
    let Some(gpu) = gpu() else { return };
    let size = [1000, 800];
    let fine = |i: u32| {
        if (i % 1000 + i / 1000).is_multiple_of(2) { 255 } else { 0 }
    };
    let rgba: Vec<u8> = (0..1000 * 800).flat_map(|i| [fine(i), fine(i), fine(i), 255]).collect();
    let original = upload(&gpu, size, &rgba);
    for zoom in [0.05, 0.11, 0.2, 0.33] {
        let view = View { centre: [500.0, 400.0], zoom };
        let shown = render(&gpu, &Scene { view, ..scene(&original, None) }, [40, 30]);
        assert!(shown.pixels().all(|p| p.0[0].abs_diff(128) <= 2), "a flat grey at zoom {zoom}");
    }
}

#[test]
fn hidden_colours_do_not_bleed_into_edges() {
    let Some(gpu) = gpu() else { return };
    // White beside transparent magenta, drawn between pixels and minified: nothing but greys may be seen.
    let size = [64, 64];
    let pixel = |x: u32| {
        if x < 31 { [255; 4] } else { [255, 0, 255, 0] }
    };
    let rgba: Vec<u8> = (0..64 * 64).flat_map(|i| pixel(i % 64)).collect();
    let original = upload(&gpu, size, &rgba);
    for zoom in [0.3, 0.5, 0.77, 1.6] {
        let view = View { centre: [32.0, 32.0], zoom };
        let shown = render(&gpu, &Scene { view, ..scene(&original, None) }, [16, 16]);
        for p in shown.pixels() {
            assert!(p.0[0].abs_diff(p.0[1]) <= 1, "{p:?} at zoom {zoom}");
        }
    }
}

#[test]
fn a_pixel_grid_shows_from_eight_times_on() {
    let Some(gpu) = gpu() else { return };
    let original = upload(&gpu, [8, 8], &[200, 200, 200, 255].repeat(64));
    let at = |zoom| {
        let view = View { centre: [4.0, 4.0], zoom };
        render(&gpu, &Scene { view, pixel_grid: true, ..scene(&original, None) }, [64, 64])
    };
    let lines = at(8.0);
    for (x, y, p) in lines.enumerate_pixels() {
        let on_line = x % 8 == 0 || y % 8 == 0;
        assert_eq!(p.0[0], if on_line { 140 } else { 200 }, "{x} {y}");
    }
    assert!(at(7.9).pixels().all(|p| p.0[0] == 200 || p.0[0] == CLEAR));
}

#[test]
fn moving_the_strength_uploads_nothing() {
    let Some(gpu) = gpu() else { return };
    let size = [300, 200];
    let mut random = Random(5);
    let original = upload(&gpu, size, &random.picture(size, opaque));
    let result = upload(&gpu, size, &random.picture(size, opaque));
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut compositor = Compositor::new(&gpu.device, format);
    let mut scene = scene(&original, Some(&result));
    let before = draw(&gpu, &mut compositor, &scene, size, format);
    let (uploads, writes) = (PictureTexture::uploads(), compositor.writes());
    for step in 0..10 {
        scene.over = blended(&result, Blend { strength: step as f32 / 10.0, ..Blend::default() });
        let now = draw(&gpu, &mut compositor, &scene, size, format);
        assert!(apart(&before, &now) > 1, "the picture follows");
    }
    assert_eq!(PictureTexture::uploads(), uploads);
    let now = compositor.writes();
    assert_eq!(now.uniforms - writes.uniforms, 10);
    assert_eq!((now.quads, now.buffers), (writes.quads, writes.buffers));
}
