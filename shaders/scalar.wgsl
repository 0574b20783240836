// Lays a map of numbers over the original, in the colours of a colormap. Joined to pane.wgsl, whose palette is the
// colormap's table; the twins are `tinted` in `src/gpu/overlay.rs` and `src/gpu/colormap.rs`.

struct Look {
    opacity: f32,          // 0..=1
    low: f32,              // the value with the first colour
    scale: f32,            // 1 / (the value with the last colour - low)
    lod: f32,              // mip level of the map
    unused: vec4<u32>,
};

@group(2) @binding(0) var map: texture_2d<f32>;

fn colormap(t: f32) -> vec3<f32> {
    let at = clamp(t, 0.0, 1.0) * 255.0;
    let below = min(u32(at), 254u);
    let part = at - f32(below);
    return palette_colour(below).rgb * (1.0 - part) + palette_colour(below + 1u).rgb * part;
}

fn tinted(in: Fragment, original: vec3<f32>) -> vec3<f32> {
    let value = textureSampleLevel(map, smooth_sampler, in.over, pane.look.lod).r;
    let colour = colormap((value - pane.look.low) * pane.look.scale);
    return original * (1.0 - pane.look.opacity) + colour * pane.look.opacity;
}

fn shown(in: Fragment, original: vec3<f32>, left: bool) -> vec4<f32> {
    if left {
        return vec4<f32>(original, 1.0);
    }
    return vec4<f32>(tinted(in, original), 1.0);
}

fn differs_itself() -> bool {
    return false;
}
