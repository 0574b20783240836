//! One picture of each mode in `target/tmp`, for people to look at.

use super::*;
use std::path::{Path, PathBuf};

/// A street of CamVid with its labels where the data are at hand; else a gradient with regions.
pub fn street() -> ([u32; 2], Vec<u8>, Vec<u8>) {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("LUCIDA_SHARED").map_or(beside, PathBuf::from).join("data/camvid");
    let photo = image::open(folder.join("test/0001TP_008550.jpg"));
    let labels = image::open(folder.join("testannot/0001TP_008550.png"));
    if let (Ok(photo), Ok(labels)) = (photo, labels) {
        let labels = labels.into_luma8().into_raw().into_iter().map(|l| if l > 10 { 255 } else { l }).collect();
        return ([photo.width(), photo.height()], photo.into_rgba8().into_raw(), labels);
    }
    let size = [480, 360];
    let pixel = |i: u32| [(i % 480 / 2) as u8, (i / 480 / 2) as u8, 128, 255];
    ([480, 360], (0..480 * 360).flat_map(pixel).collect(), regions(size, 11, &mut Random(31)))
}

#[test]
fn every_mode_can_be_looked_at() {
    let Some(gpu) = gpu() else { return };
    let (size, photo, map) = street();
    // Another model's opinion: the same, four pixels to the right and without pedestrians.
    let moved = (0..map.len()).map(|i| map[i.saturating_sub(4)]).map(|l| if l == 9 { 4 } else { l });
    let original = upload(&gpu, size, &photo);
    let (labels, other) = (upload_labels(&gpu, size, &map), upload_labels(&gpu, size, &moved.collect::<Vec<_>>()));
    let near = |i: usize| {
        let (x, y) = ((i as u32 % size[0]) as f32 - 240.0, (i as u32 / size[0]) as f32 - 180.0);
        (-(x * x + y * y) / 20_000.0).exp()
    };
    let heat = upload_values(&gpu, size, &(0..map.len()).map(near).collect::<Vec<_>>());
    let all =
        Overlay { opacity: 0.6, mode: OverlayMode::Fill, colours: ClassColours::new(&palette::camvid()), lit: None };
    let mut some = all.colours.clone();
    (0..8).for_each(|class| some.show(class, false));
    let with = |overlay: Overlay, other: Option<&Arc<LabelTexture>>| Over::Labels {
        labels: labels.clone(),
        other: other.cloned(),
        overlay,
    };
    let tint = |colormap| Over::Scalar { map: heat.clone(), tint: Tint { opacity: 0.8, colormap, ..Tint::default() } };
    let outlines = Overlay { mode: OverlayMode::Outlines, ..all.clone() };
    let cut_out = Overlay { mode: OverlayMode::CutOut, opacity: 1.0, colours: some.clone(), ..all.clone() };
    let mut shots = vec![
        ("fill", with(all.clone(), None), Compare::Result, 1.0),
        ("fill-lit", with(Overlay { lit: Some(8), ..all.clone() }, None), Compare::Result, 1.0),
        ("fill-some", with(Overlay { colours: some, ..all.clone() }, None), Compare::Result, 1.0),
        ("fill-near", with(all.clone(), None), Compare::Result, 5.0),
        ("fill-far", with(all.clone(), None), Compare::Result, 0.37),
        ("outlines", with(outlines.clone(), None), Compare::Result, 1.0),
        ("outlines-lit", with(Overlay { lit: Some(8), ..outlines.clone() }, None), Compare::Result, 1.0),
        ("outlines-near", with(outlines.clone(), None), Compare::Result, 5.0),
        ("outlines-grid", with(outlines.clone(), None), Compare::Result, 12.0),
        ("outlines-far", with(outlines, None), Compare::Result, 0.37),
        ("cut-out", with(cut_out.clone(), None), Compare::Result, 1.0),
        ("cut-out-near", with(cut_out, None), Compare::Result, 5.0),
        ("split", with(all.clone(), Some(&other)), Compare::Split { at: 0.5 }, 1.0),
        ("disagreement", with(all.clone(), Some(&other)), Compare::Difference, 1.0),
        ("disagreement-near", with(all.clone(), Some(&other)), Compare::Difference, 5.0),
        ("difference", with(all, None), Compare::Difference, 1.0),
    ];
    shots.extend(Colormap::ALL.map(|map| match map {
        Colormap::Viridis => ("viridis", tint(map), Compare::Split { at: 0.3 }, 1.0),
        Colormap::Magma => ("magma", tint(map), Compare::Result, 1.0),
        Colormap::Cividis => ("cividis", tint(map), Compare::Result, 1.0),
        Colormap::Turbo => ("turbo", tint(map), Compare::Result, 1.0),
        Colormap::Grey => ("grey", tint(map), Compare::Result, 1.0),
    }));
    let mut seen = std::collections::HashSet::new();
    for (name, over, compare, zoom) in shots {
        let view = View { centre: size.map(|side| side as f32 / 2.0), zoom };
        let shown = render(&gpu, &Scene { over, compare, view, pixel_grid: true, ..scene(&original, None) }, size);
        shown.save(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("overlay-{name}.png"))).unwrap();
        assert!(seen.insert(shown.into_raw()), "{name} looks like another one");
    }
}
