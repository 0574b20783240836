//! Maps of numbers on the canvas.

use super::*;
use lucida::gpu::composite::{difference, over_checker};
use lucida::gpu::overlay::{ScalarMap, export_scalar, tinted};

fn ramp(size: [u32; 2]) -> Vec<f32> {
    let value = |i: u32| (i % size[0]) as f32 / (size[0] - 1).max(1) as f32 * 1.4 - 0.2;
    (0..size[0] * size[1]).map(value).collect()
}

fn over(map: &Arc<ScalarTexture>, tint: Tint) -> Over {
    Over::Scalar { map: map.clone(), tint }
}

#[test]
fn every_colormap_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(21);
    let mut compositor = Compositor::new(&gpu.device, wgpu::TextureFormat::Rgba8Unorm);
    for (size, alpha) in [([301, 7], opaque as fn(u8) -> u8), ([64, 33], mixed_alpha), ([1, 1], opaque)] {
        let (photo, values) = (random.picture(size, alpha), ramp(size));
        let (original, map) = (upload(&gpu, size, &photo), upload_values(&gpu, size, &values));
        for colormap in Colormap::ALL {
            for (opacity, low, high) in [(1.0, 0.0, 1.0), (0.6, 0.3, 0.5), (1.0, 0.7, 0.2)] {
                for compare in [Compare::Result, Compare::Original, Compare::Split { at: 0.3 }, Compare::Difference] {
                    let tint = Tint { opacity, colormap, low, high, ..Tint::default() };
                    let scene = Scene { over: over(&map, tint), compare, ..scene(&original, None) };
                    let shown = draw(&gpu, &mut compositor, &scene, size, wgpu::TextureFormat::Rgba8Unorm);
                    for (x, y, pixel) in shown.enumerate_pixels() {
                        let at = (y * size[0] + x) as usize;
                        // As the texture holds it. The nearest of a value at the step of an inverted range may fall on
                        // either side.
                        let value = half::f16::from_f32(values[at]).to_f32();
                        if low > high && (value - low).abs() < 1e-3 {
                            continue;
                        }
                        let p = &photo[at * 4..];
                        let alpha = f32::from(p[3]) / 255.0;
                        let mixed = tinted(unit(p), value, &tint);
                        let expected = match compare {
                            Compare::Original => over_checker(unit(p), alpha, [x, y], 8),
                            Compare::Split { at } if (x as f32 + 0.5) < at * size[0] as f32 => {
                                over_checker(unit(p), alpha, [x, y], 8)
                            }
                            Compare::Difference => difference(unit(p), mixed).map(|v| v * alpha),
                            _ => over_checker(mixed, alpha, [x, y], 8),
                        };
                        let off = (0..3).map(|c| pixel.0[c].abs_diff(bytes(expected).0[c])).max().unwrap();
                        // The difference shows everything twice as large.
                        let most = if compare == Compare::Difference { 2 } else { 1 };
                        assert!(off <= most, "{off}/255 at {x}, {y}: {tint:?} {compare:?}, {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_smaller_map_is_interpolated_and_exported_alike() {
    let Some(gpu) = gpu() else { return };
    let (size, small) = ([160, 90], [10, 9]);
    let mut random = Random(22);
    let photo = random.picture(size, opaque);
    let values: Vec<f32> = (0..90).map(|_| f32::from(random.byte()) / 255.0).collect();
    let (original, map) = (upload(&gpu, size, &photo), upload_values(&gpu, small, &values));
    let tint = Tint { opacity: 0.8, colormap: Colormap::Magma, ..Tint::default() };
    let shown = render(&gpu, &Scene { over: over(&map, tint), ..scene(&original, None) }, size);
    let picture = lucida::imaging::Picture::from_rgba8(size[0], size[1], photo).unwrap();
    let scalar = ScalarMap { size: small, values: &values };
    let exported = export_scalar(&picture, &scalar, &tint).unwrap().to_srgba8();
    let exported = image::RgbaImage::from_raw(size[0], size[1], exported).unwrap();
    // Adapters interpolate between texels in steps of 1/256.
    assert!(apart(&shown, &exported) <= 2, "{}", apart(&shown, &exported));
}

/// What the canvas shows of a photo under a small map, next to what the twin makes of it.
fn small_map(gpu: &RenderState, size: [u32; 2], grid: [u32; 2], tint: Tint, random: &mut Random) -> u8 {
    let photo = random.picture(size, opaque);
    let values: Vec<f32> = (0..grid[0] * grid[1]).map(|_| f32::from(random.byte()) / 255.0).collect();
    // What the texture holds.
    let values: Vec<f32> = values.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect();
    let (original, map) = (upload(gpu, size, &photo), upload_values(gpu, grid, &values));
    let shown = render(gpu, &Scene { over: over(&map, tint), ..scene(&original, None) }, size);
    let picture = lucida::imaging::Picture::from_rgba8(size[0], size[1], photo).unwrap();
    let exported = export_scalar(&picture, &ScalarMap { size: grid, values: &values }, &tint).unwrap().to_srgba8();
    apart(&shown, &image::RgbaImage::from_raw(size[0], size[1], exported).unwrap())
}

#[test]
fn a_small_map_is_read_smoothly_in_every_mode_as_its_twin_reads_it() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(24);
    for (size, grid) in [([301, 199], [14, 14]), ([97, 400], [14, 14]), ([640, 45], [5, 3]), ([33, 21], [1, 1])] {
        for mode in [TintMode::Colours, TintMode::Spotlight] {
            for (opacity, fades, low, high) in [(1.0, false, 0.0, 1.0), (0.7, true, 0.2, 0.8), (1.0, true, 0.0, 0.6)] {
                for interpolation in [Interpolation::CubicBSpline, Interpolation::Linear] {
                    let tint = Tint { opacity, mode, fades, low, high, interpolation, ..Tint::default() };
                    let off = small_map(&gpu, size, grid, tint, &mut random);
                    // Adapters interpolate between texels in steps of 1/256; the spline is summed exactly.
                    let most = if interpolation == Interpolation::Linear { 4 } else { 1 };
                    assert!(off <= most, "{off}/255: {size:?} {grid:?} {tint:?}");
                }
            }
        }
    }
}

#[test]
fn a_spotlight_is_the_same_at_every_zoom_and_in_tiles() {
    let Some(gpu) = gpu() else { return };
    let size = [211, 157];
    let mut random = Random(25);
    let photo = random.picture(size, mixed_alpha);
    let values: Vec<f32> = (0..196).map(|_| f32::from(random.byte()) / 255.0).collect();
    let values: Vec<f32> = values.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect();
    let map = upload_values(&gpu, [14, 14], &values);
    let (whole, tiled) = (upload(&gpu, size, &photo), upload_tiled(&gpu, size, &photo, 64));
    let interpolation = Interpolation::CubicBSpline;
    let tint = Tint { opacity: 0.9, mode: TintMode::Spotlight, interpolation, ..Tint::default() };
    for zoom in [0.2, 0.5, 1.0, 1.7, 4.0, 12.0] {
        let view = View { centre: [100.0, 80.0], zoom };
        let of = |o| render(&gpu, &Scene { over: over(&map, tint), view, ..scene(o, None) }, [120, 90]);
        let off = apart(&of(&whole), &of(&tiled));
        assert!(off <= 1, "{off}/255 at zoom {zoom}");
    }
    // Enlarged, the light does not follow the photo's pixels but changes within them.
    let grey = upload(&gpu, [14, 14], &[200, 200, 200, 255].repeat(196));
    let view = View { centre: [7.0, 7.0], zoom: 40.0 };
    let shown = render(&gpu, &Scene { over: over(&map, tint), view, ..scene(&grey, None) }, [560, 560]);
    let scalar = ScalarMap { size: [14, 14], values: &values };
    for (x, y, pixel) in shown.enumerate_pixels() {
        let value = scalar.read([x, y].map(|v| (v as f32 + 0.5) / 40.0), interpolation);
        let expected = bytes(tinted([200.0 / 255.0; 3], value, &tint)).0[0];
        assert!(pixel.0[0].abs_diff(expected) <= 1, "{pixel:?}, not {expected} at {x}, {y}");
    }
}

#[test]
fn mode_and_reading_are_uniforms_too() {
    let Some(gpu) = gpu() else { return };
    let size = [60, 40];
    let original = upload(&gpu, size, &Random(26).picture(size, opaque));
    let values: Vec<f32> = (0..24).map(|i| (i % 5) as f32 / 4.0).collect();
    let map = upload_values(&gpu, [6, 4], &values);
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut compositor = Compositor::new(&gpu.device, format);
    let mut seen = Vec::new();
    let mut show = |tint| {
        let scene = Scene { over: over(&map, tint), ..scene(&original, None) };
        seen.push(draw(&gpu, &mut compositor, &scene, size, format));
        compositor.writes()
    };
    let mut tint = Tint { opacity: 0.5, ..Tint::default() };
    let first = show(tint);
    let uploads = PictureTexture::uploads();
    tint.fades = true;
    show(tint);
    tint.interpolation = Interpolation::CubicBSpline;
    show(tint);
    tint.mode = TintMode::Spotlight;
    let last = show(tint);
    assert_eq!(last, lucida::gpu::Writes { uniforms: first.uniforms + 3, ..first });
    assert_eq!(PictureTexture::uploads(), uploads);
    assert!(seen.windows(2).all(|pair| apart(&pair[0], &pair[1]) > 1), "each is seen");
}

#[test]
fn a_minified_map_shows_means() {
    let Some(gpu) = gpu() else { return };
    let size = [801, 603];
    let values: Vec<f32> = (0..size[0] * size[1]).map(|i| ((i % size[0] + i / size[0]) % 2) as f32).collect();
    let map = upload_values(&gpu, size, &values);
    let original = upload(&gpu, size, &[0, 0, 0, 255].repeat(801 * 603));
    let tint = Tint { colormap: Colormap::Grey, ..Tint::default() };
    for zoom in [0.1, 0.2, 0.45] {
        let view = View { centre: [400.0, 300.0], zoom };
        let shown = render(&gpu, &Scene { over: over(&map, tint), view, ..scene(&original, None) }, [50, 40]);
        assert!(shown.pixels().all(|p| p.0[0].abs_diff(128) <= 3), "a flat grey at zoom {zoom}");
    }
}

#[test]
fn a_map_beyond_4096_is_averaged() {
    let Some(gpu) = gpu() else { return };
    let size = [10_000, 2];
    let map = upload_values(&gpu, size, &ramp(size));
    assert_eq!(map.size(), size);
    assert!(map.bytes() < 4096 * 2 * 2 * 2);
    let original = upload(&gpu, size, &[0, 0, 0, 255].repeat(20_000));
    let tint = Tint { colormap: Colormap::Grey, low: -0.2, high: 1.2, ..Tint::default() };
    let view = View { centre: [7_500.0, 1.0], zoom: 1.0 };
    let shown = render(&gpu, &Scene { over: over(&map, tint), view, ..scene(&original, None) }, [3, 2]);
    assert!(shown.get_pixel(1, 1).0[0].abs_diff(191) <= 1, "{:?}", shown.get_pixel(1, 1));
}

#[test]
fn values_that_are_no_numbers_are_zero() {
    let Some(gpu) = gpu() else { return };
    let size = [3, 1];
    let map = upload_values(&gpu, size, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let original = upload(&gpu, size, &[9, 9, 9, 255].repeat(3));
    let tint = Tint { colormap: Colormap::Grey, low: -1.0, high: 1.0, ..Tint::default() };
    let shown = render(&gpu, &Scene { over: over(&map, tint), ..scene(&original, None) }, size);
    assert!(shown.pixels().all(|p| p.0[0].abs_diff(128) <= 1));
}

#[test]
fn opacity_and_range_are_uniforms_and_the_colormap_a_palette() {
    let Some(gpu) = gpu() else { return };
    let size = [60, 40];
    let original = upload(&gpu, size, &Random(23).picture(size, opaque));
    let map = upload_values(&gpu, size, &ramp(size));
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut compositor = Compositor::new(&gpu.device, format);
    let mut tint = Tint { opacity: 0.5, ..Tint::default() };
    let mut show = |tint| {
        let scene = Scene { over: over(&map, tint), ..scene(&original, None) };
        draw(&gpu, &mut compositor, &scene, size, format);
        compositor.writes()
    };
    let first = show(tint);
    let uploads = PictureTexture::uploads();
    (tint.opacity, tint.high) = (0.9, 0.7);
    let moved = show(tint);
    assert_eq!(moved, lucida::gpu::Writes { uniforms: first.uniforms + 1, ..first });
    tint.colormap = Colormap::Turbo;
    assert_eq!(show(tint), lucida::gpu::Writes { palettes: moved.palettes + 1, ..moved });
    assert_eq!(PictureTexture::uploads(), uploads);
}
