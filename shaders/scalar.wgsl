// Lays a map of numbers over the original: in the colours of a colormap, or as light on it. Joined to pane.wgsl, whose
// palette is the colormap's table; the twins are `src/gpu/scalar.rs` and `src/gpu/colormap.rs`.

const MODE_COLOURS = 0u;
const MODE_SPOTLIGHT = 1u;

struct Look {
    opacity: f32,          // 0..=1
    low: f32,              // the value at position 0
    scale: f32,            // 1 / (the value at position 1 - low)
    lod: f32,              // mip level of the map
    mode: u32,             // MODE_*
    fades: u32,            // 0 or 1: colours are laid on in proportion to the position
    cubic: u32,            // 0 or 1: read by the cubic B-spline, where the map is not minified
    unused: u32,
};

@group(2) @binding(0) var map: texture_2d<f32>;

fn colormap(t: f32) -> vec3<f32> {
    let at = clamp(t, 0.0, 1.0) * 255.0;
    let below = min(u32(at), 254u);
    let part = at - f32(below);
    return palette_colour(below).rgb * (1.0 - part) + palette_colour(below + 1u).rgb * part;
}

// What the four texels around a place count, `f` from the second to the third.
fn spline(f: f32) -> vec4<f32> {
    let r = 1.0 - f;
    return vec4<f32>(
        r * r * r,
        4.0 - 3.0 * f * f * (2.0 - f),
        4.0 - 3.0 * r * r * (2.0 - r),
        f * f * f,
    ) / 6.0;
}

// Four by four texels, not four bilinear fetches of pairs: adapters interpolate in steps of 1/256, and a texel of a map of
// 14 x 14 may be hundreds of pixels wide.
fn cubic(at: vec2<f32>) -> f32 {
    let last = vec2<i32>(textureDimensions(map, 0)) - 1;
    let texel = at * vec2<f32>(last + 1) - 0.5;
    let below = floor(texel);
    let columns = spline(texel.x - below.x);
    let rows = spline(texel.y - below.y);
    let first = vec2<i32>(below) - 1;
    var sum = 0.0;
    for (var j = 0; j < 4; j += 1) {
        let y = clamp(first.y + j, 0, last.y);
        var row = vec4<f32>(0.0);
        for (var i = 0; i < 4; i += 1) {
            row[i] = textureLoad(map, vec2<i32>(clamp(first.x + i, 0, last.x), y), 0).r;
        }
        sum += dot(row, columns) * rows[j];
    }
    return sum;
}

fn tinted(in: Fragment, original: vec3<f32>) -> vec3<f32> {
    var value: f32;
    if pane.look.cubic != 0u && pane.look.lod <= 0.0 {
        value = cubic(in.over);
    } else {
        value = textureSampleLevel(map, smooth_sampler, in.over, pane.look.lod).r;
    }
    let t = (value - pane.look.low) * pane.look.scale;
    let position = clamp(t, 0.0, 1.0);
    if pane.look.mode == MODE_SPOTLIGHT {
        return original * (1.0 - pane.look.opacity * (1.0 - sqrt(position)));
    }
    let strength = pane.look.opacity * select(1.0, position, pane.look.fades != 0u);
    return original * (1.0 - strength) + colormap(t) * strength;
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
