// Lays a picture over the original, tile by tile. Joined to pane.wgsl; the twin is `src/gpu/composite.rs`.

struct Look {
    strength: f32,         // 0..=1
    keep_colours: u32,     // 0 or 1
    result_lod: f32,       // as `original_lod`
    unused: u32,
    unused_too: vec4<u32>,
};

@group(2) @binding(0) var result_tile: texture_2d<f32>;

fn blend(original: vec3<f32>, result: vec3<f32>) -> vec3<f32> {
    let shift = dot(result, LUMA) - dot(original, LUMA);
    let shifted = clamp(original + shift, vec3<f32>(0.0), vec3<f32>(1.0));
    let wanted = select(result, shifted, pane.look.keep_colours != 0u);
    return original * (1.0 - pane.look.strength) + wanted * pane.look.strength;
}

fn mixed(in: Fragment, original: vec3<f32>) -> vec3<f32> {
    return blend(original, fetch(result_tile, in.over, pane.look.result_lod).rgb);
}

fn shown(in: Fragment, original: vec3<f32>, left: bool) -> vec4<f32> {
    if left {
        return vec4<f32>(original, 1.0);
    }
    return vec4<f32>(mixed(in, original), 1.0);
}

fn differs_itself() -> bool {
    return false;
}
