//! Segmentations on the canvas.

use super::*;
use lucida::gpu::composite::{difference, over_checker};
use lucida::gpu::overlay::{self, LabelMap, disagreeing, overlaid};

const RGBA: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

const MODES: [OverlayMode; 3] = [OverlayMode::Fill, OverlayMode::Outlines, OverlayMode::CutOut];

fn overlay(mode: OverlayMode, opacity: f32, lit: Option<u8>) -> Overlay {
    let mut colours = ClassColours::new(&palette::voc());
    colours.show(3, false);
    Overlay { opacity, mode, colours, lit }
}

fn labelled(labels: &Arc<LabelTexture>, other: Option<&Arc<LabelTexture>>, overlay: Overlay) -> Over {
    Over::Labels { labels: labels.clone(), other: other.cloned(), overlay }
}

/// What the CPU twin makes of a scene at 1:1 that fills the canvas exactly.
fn twin(
    size: [u32; 2],
    original: &[u8],
    labels: &[u8],
    other: Option<&[u8]>,
    o: &Overlay,
    compare: Compare,
) -> image::RgbaImage {
    image::RgbaImage::from_fn(size[0], size[1], |x, y| {
        let pixel = &original[((y * size[0] + x) * 4) as usize..];
        let (photo, alpha) = (unit(pixel), f32::from(pixel[3]) / 255.0);
        let at = [x as f32 + 0.5, y as f32 + 0.5];
        let map = |labels| LabelMap { size, labels };
        let over = |labels| overlaid(photo, map(labels), at, [1.0; 2], false, o);
        let (colour, kept) = match compare {
            Compare::Original => (photo, 1.0),
            Compare::Split { at: split } if at[0] < split * size[0] as f32 => other.map_or((photo, 1.0), over),
            Compare::Difference => {
                let colour = match other {
                    Some(other) => disagreeing(photo, [map(other), map(labels)], at, [1.0; 2], at, false, o),
                    None => {
                        let (colour, kept) = over(labels);
                        difference(photo, colour.map(|v| v * kept))
                    }
                };
                return bytes(colour.map(|v| v * alpha));
            }
            _ => over(labels),
        };
        bytes(over_checker(colour, alpha * kept, [x, y], 8))
    })
}

#[test]
fn the_shader_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(11);
    let mut compositor = Compositor::new(&gpu.device, RGBA);
    for (size, alpha) in
        [([97, 61], opaque as fn(u8) -> u8), ([64, 33], mixed_alpha), ([1, 1], opaque), ([40, 1], opaque)]
    {
        let photo = random.picture(size, alpha);
        let (a, b) = (regions(size, 6, &mut random), regions(size, 6, &mut random));
        let original = upload(&gpu, size, &photo);
        let (labels, other) = (upload_labels(&gpu, size, &a), upload_labels(&gpu, size, &b));
        for mode in MODES {
            for (opacity, lit) in [
                (0.0, None),
                (0.5, None),
                (1.0, None),
                (0.6, Some(0)),
                (0.6, Some(2)),
                (0.6, Some(3)),
                (0.6, Some(255)),
            ] {
                for (compare, with_other) in [
                    (Compare::Result, true),
                    (Compare::Original, true),
                    (Compare::Split { at: 0.4 }, false),
                    (Compare::Split { at: 0.4 }, true),
                    (Compare::Difference, false),
                    (Compare::Difference, true),
                ] {
                    let o = overlay(mode, opacity, lit);
                    let over = labelled(&labels, with_other.then_some(&other), o.clone());
                    let expected = twin(size, &photo, &a, with_other.then_some(&*b), &o, compare);
                    let scene = Scene { over, compare, ..scene(&original, None) };
                    let off = apart(&draw(&gpu, &mut compositor, &scene, size, RGBA), &expected);
                    assert!(off <= 1, "{off}/255 at {size:?} {mode:?} {opacity} {lit:?} {compare:?} {with_other}");
                }
            }
        }
    }
}

#[test]
fn every_zoom_agrees_with_the_twin() {
    let Some(gpu) = gpu() else { return };
    let (size, pane) = ([300, 200], [150, 110]);
    let photo = [180, 150, 120, 255]; // one colour, so that only the labels are sampled
    let original = upload(&gpu, size, &photo.repeat(300 * 200));
    let mut random = Random(12);
    let maps = [regions(size, 6, &mut random), regions(size, 6, &mut random)];
    let [labels, other] = [0, 1].map(|i| upload_labels(&gpu, size, &maps[i]));
    let mut compositor = Compositor::new(&gpu.device, RGBA);
    for zoom in [0.3, 0.55, 1.37, 2.0, 3.3, 8.0, 11.0] {
        for (mode, lit) in [(OverlayMode::Fill, None), (OverlayMode::Fill, Some(1)), (OverlayMode::Outlines, None)] {
            for compare in [Compare::Result, Compare::Difference] {
                let o = overlay(mode, 0.6, lit);
                let view = View { centre: [90.0, 60.0], zoom };
                let over = labelled(&labels, Some(&other), o.clone());
                let scene = Scene { over, compare, view, pixel_grid: true, ..scene(&original, None) };
                let shown = draw(&gpu, &mut compositor, &scene, pane, RGBA);
                let corner = view.origin(pane.map(|v| v as f32)).map(|v| v as f32);
                let (mut looked, mut wrong) = (0, 0);
                for (x, y, pixel) in shown.enumerate_pixels() {
                    let screen = [x as f32 + 0.5, y as f32 + 0.5];
                    let at = [0, 1].map(|i| (screen[i] - corner[i]) / zoom);
                    let inside = (0..2).all(|i| at[i] >= 0.0 && at[i] < size[i] as f32);
                    let on_grid =
                        zoom >= 8.0 && at.iter().any(|v| v.fract() * zoom < 1.01 || v.fract() * zoom > zoom - 0.01);
                    if !inside || on_grid {
                        continue;
                    }
                    let [right, left] = maps.each_ref().map(|labels| LabelMap { size, labels });
                    let (step, crisp) = ([1.0 / zoom; 2], zoom >= 8.0);
                    let expected = match compare {
                        Compare::Result => overlaid(unit(&photo), right, at, step, crisp, &o).0,
                        _ => disagreeing(unit(&photo), [left, right], at, step, screen, crisp, &o),
                    };
                    looked += 1;
                    let off = (0..3).any(|c| pixel.0[c].abs_diff(bytes(expected).0[c]) > 1);
                    wrong += u32::from(off);
                }
                // Where a place lies exactly between two labels, rounding decides.
                assert!(looked > 2000 && wrong * 200 <= looked, "{wrong} of {looked} at {zoom} {mode:?} {compare:?}");
            }
        }
    }
}

#[test]
fn a_border_has_one_line_of_two_pixels_and_a_hidden_class_none() {
    let Some(gpu) = gpu() else { return };
    let size = [40, 10];
    let original = upload(&gpu, size, &[100, 100, 100, 255].repeat(400));
    // Class 1, class 2, and class 3, which is hidden.
    let row = |x: u32| [1u8, 2, 3][(x / 14).min(2) as usize];
    let labels = upload_labels(&gpu, size, &(0..400).map(|i| row(i % 40)).collect::<Vec<_>>());
    let o = overlay(OverlayMode::Outlines, 1.0, None);
    let colour = |class| bytes(unit(&o.colours.colour(class)));
    let over = labelled(&labels, None, o.clone());
    let shown = render(&gpu, &Scene { over, ..scene(&original, None) }, size);
    for x in 0..40 {
        // Within the class of higher rank, but never within the hidden one.
        let line = matches!(x, 14 | 15 | 26 | 27);
        let expected = if line { colour(2) } else { image::Rgba([100, 100, 100, 255]) };
        assert_eq!(*shown.get_pixel(x, 5), expected, "at {x}");
    }
    let lit = labelled(&labels, None, Overlay { lit: Some(1), ..o });
    let shown = render(&gpu, &Scene { over: lit, ..scene(&original, None) }, size);
    let line: Vec<u32> = (0..40).filter(|&x| shown.get_pixel(x, 5).0[..3].iter().all(|v| *v > 230)).collect();
    assert_eq!(line, [12, 13], "the lit class has the line");
}

#[test]
fn borders_are_smooth_when_minified_and_magnified() {
    let Some(gpu) = gpu() else { return };
    let size = [200, 200];
    let original = upload(&gpu, size, &[0, 0, 0, 255].repeat(200 * 200));
    // A flat slope, so that many pixels are cut by the border.
    let labels: Vec<u8> = (0..200 * 200).map(|i| u8::from(i / 200 * 4 > i % 200 + 300)).collect();
    let labels = upload_labels(&gpu, size, &labels);
    let o = Overlay { colours: ClassColours::new(&[[0; 3], [255; 3]]), ..overlay(OverlayMode::Fill, 1.0, None) };
    for zoom in [0.4, 1.4] {
        let view = View { centre: [100.0, 100.0], zoom };
        let over = labelled(&labels, None, o.clone());
        let shown = render(&gpu, &Scene { over, view, ..scene(&original, None) }, [60, 60]);
        let mut greys: Vec<u8> = shown.pixels().map(|p| p.0[0]).collect();
        greys.sort();
        greys.dedup();
        assert_eq!(greys, [0, 64, 128, 191, 255], "quarters at zoom {zoom}");
    }
}

#[test]
fn tiles_of_the_photo_do_not_show_in_the_overlay() {
    let Some(gpu) = gpu() else { return };
    let size = [200, 150];
    let mut random = Random(13);
    let (photo, map) = (random.picture(size, opaque), regions(size, 8, &mut random));
    let pictures = [upload(&gpu, size, &photo), upload_tiled(&gpu, size, &photo, 64)];
    let labels = upload_labels(&gpu, size, &map);
    for (zoom, mode) in [(0.5, OverlayMode::Fill), (1.0, OverlayMode::Outlines), (3.0, OverlayMode::CutOut)] {
        let view = View { centre: [90.0, 78.0], zoom };
        let [whole, tiled] = pictures.each_ref().map(|original| {
            let over = labelled(&labels, None, overlay(mode, 0.6, None));
            render(&gpu, &Scene { over, view, ..scene(original, None) }, [180, 140])
        });
        assert!(apart(&whole, &tiled) <= 1, "at zoom {zoom}");
    }
}

#[test]
fn a_map_beyond_4096_is_thinned_and_lies_where_it_should() {
    let Some(gpu) = gpu() else { return };
    let size = [10_000, 3];
    let labels: Vec<u8> = (0..30_000u32).map(|i| if i % 10_000 < 9_900 { 1 } else { 2 }).collect();
    let labels = upload_labels(&gpu, size, &labels);
    assert_eq!((labels.size(), labels.bytes()), (size, 2 * 4096 * 3));
    let original = upload(&gpu, size, &[0, 0, 0, 255].repeat(30_000));
    let o = overlay(OverlayMode::Fill, 1.0, None);
    let view = View { centre: [9_900.0, 1.5], zoom: 1.0 };
    let over = labelled(&labels, None, o.clone());
    let shown = render(&gpu, &Scene { over, view, ..scene(&original, None) }, [40, 3]);
    // A stored label is 2.4 pixels wide.
    for (x, class) in [(0, 1), (17, 1), (23, 2), (39, 2)] {
        assert_eq!(shown.get_pixel(x, 1).0[..3], o.colours.colour(class), "at {x}");
    }
}

#[test]
fn a_smaller_map_covers_the_whole_photo() {
    let Some(gpu) = gpu() else { return };
    let original = upload(&gpu, [160, 120], &[0, 0, 0, 255].repeat(160 * 120));
    let labels = upload_labels(&gpu, [4, 3], &[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let o = overlay(OverlayMode::Fill, 1.0, None);
    let shown = render(&gpu, &Scene { over: labelled(&labels, None, o.clone()), ..scene(&original, None) }, [160, 120]);
    for (x, y, class) in [(0, 0, 0), (39, 39, 0), (40, 0, 1), (159, 0, 4), (0, 40, 5), (159, 119, 12), (119, 119, 11)] {
        assert_eq!(shown.get_pixel(x, y).0[..3], o.colours.colour(class), "at {x}, {y}");
    }
}

#[test]
fn side_by_side_shows_two_models() {
    let Some(gpu) = gpu() else { return };
    let size = [40, 30];
    let mut random = Random(14);
    let photo = random.picture(size, opaque);
    let (a, b) = (regions(size, 6, &mut random), regions(size, 6, &mut random));
    let original = upload(&gpu, size, &photo);
    let (labels, other) = (upload_labels(&gpu, size, &a), upload_labels(&gpu, size, &b));
    let o = overlay(OverlayMode::Fill, 0.7, None);
    for with_other in [true, false] {
        let over = labelled(&labels, with_other.then_some(&other), o.clone());
        let scene = Scene { over, compare: Compare::SideBySide, ..scene(&original, None) };
        let shown = render(&gpu, &scene, [80, 30]);
        let left = twin(size, &photo, if with_other { &b } else { &a }, None, &o, Compare::Result);
        let left = if with_other { left } else { twin(size, &photo, &a, None, &o, Compare::Original) };
        let right = twin(size, &photo, &a, None, &o, Compare::Result);
        for (from, expected) in [(0, left), (40, right)] {
            let part = image::imageops::crop_imm(&shown, from, 0, 40, 30).to_image();
            assert!(apart(&part, &expected) <= 1, "the half from {from}");
        }
    }
}

#[test]
fn an_export_is_what_the_canvas_shows() {
    let Some(gpu) = gpu() else { return };
    let size = [83, 57];
    let mut random = Random(15);
    let (photo, map) = (random.picture(size, opaque), regions(size, 6, &mut random));
    let original = upload(&gpu, size, &photo);
    let labels = upload_labels(&gpu, size, &map);
    let picture = lucida::imaging::Picture::from_rgba8(size[0], size[1], photo.clone()).unwrap();
    for mode in MODES {
        for lit in [None, Some(1)] {
            let o = overlay(mode, 0.6, lit);
            let exported = overlay::export(&picture, &map, &o).unwrap().to_srgba8();
            let expected = image::RgbaImage::from_fn(size[0], size[1], |x, y| {
                let p = &exported[((y * size[0] + x) * 4) as usize..];
                bytes(over_checker(unit(p), f32::from(p[3]) / 255.0, [x, y], 8))
            });
            let shown = render(&gpu, &Scene { over: labelled(&labels, None, o), ..scene(&original, None) }, size);
            assert!(apart(&shown, &expected) <= 1, "{mode:?} {lit:?}");
        }
    }
}

#[test]
fn sliders_and_checkboxes_upload_nothing() {
    let Some(gpu) = gpu() else { return };
    let size = [120, 80];
    let mut random = Random(16);
    let original = upload(&gpu, size, &random.picture(size, opaque));
    let labels = upload_labels(&gpu, size, &regions(size, 6, &mut random));
    let mut compositor = Compositor::new(&gpu.device, RGBA);
    let mut o = overlay(OverlayMode::Fill, 0.5, None);
    let mut show = |o: &Overlay| {
        let scene = Scene { over: labelled(&labels, None, o.clone()), ..scene(&original, None) };
        let image = draw(&gpu, &mut compositor, &scene, size, RGBA);
        (image, compositor.writes())
    };
    let (mut last, first) = show(&o);
    let uploads = PictureTexture::uploads();
    let mut before = first;
    let steps = [("opacity", [1, 0]), ("mode", [1, 0]), ("lit", [1, 0]), ("shown", [0, 1]), ("colour", [0, 1])];
    for (what, [uniforms, palettes]) in steps {
        match what {
            "opacity" => o.opacity = 0.8,
            "mode" => o.mode = OverlayMode::Outlines,
            "lit" => o.lit = Some(1),
            "shown" => o.colours.show(2, false),
            _ => o.colours.set_colour(0, [9, 200, 9]),
        }
        let (image, now) = show(&o);
        assert!(apart(&image, &last) > 1, "the picture follows {what}");
        let written = [now.uniforms - before.uniforms, now.palettes - before.palettes];
        assert_eq!(written, [uniforms, palettes], "{what}");
        assert_eq!((now.quads, now.buffers), (first.quads, first.buffers), "{what}");
        (last, before) = (image, now);
    }
    assert_eq!(PictureTexture::uploads(), uploads);
    assert_eq!(show(&o).1, before, "nothing changed, nothing written");
}

#[test]
fn labels_that_fit_no_size_are_refused() {
    let Some(gpu) = gpu() else { return };
    for (size, count) in [([2, 2], 3), ([0, 2], 0), ([2, 2], 5)] {
        let error = LabelTexture::upload(&gpu.device, &gpu.queue, size, &vec![0; count]).unwrap_err();
        assert!(matches!(error, GpuError::MapShape { .. }), "{error}");
        let error = ScalarTexture::upload(&gpu.device, &gpu.queue, size, &vec![0.0; count]).unwrap_err();
        assert!(matches!(error, GpuError::MapShape { .. }), "{error}");
    }
}
