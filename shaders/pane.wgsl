// What all pipelines of the canvas share; one of composite.wgsl, overlay.wgsl and scalar.wgsl is joined to it, which
// says what lies over the picture: `Look`, `shown`, and whether that makes a difference of its own, `differs_itself`.
//
// All arithmetic is on sRGB-encoded values, as in a picture file. `src/gpu/composite.rs` is its twin on the CPU; the
// constants, the order of operations and the layout of `Pane` and `Quad` must agree with the Rust side.

const LUMA = vec3<f32>(0.299, 0.587, 0.114);
const DIFFERENCE_GAIN = 2.0;
const CHECKER = vec2<f32>(0.32, 0.44);
const GRID_OPACITY = 0.3;
// Added to positions before they are floored: where a screen pixel's middle falls exactly between two picture pixels,
// rounding must not decide it one way in this tile and the other way in the next.
const TIE = 0.00390625;

const SHOW_ORIGINAL = 0u;
const SHOW_LEFT = 1u;
const SHOW_RIGHT = 2u;
const SHOW_SPLIT = 3u;
const SHOW_DIFFERENCE = 4u;

struct Pane {
    size: vec2<f32>,       // physical px
    split: f32,            // px from the pane's left: the left side of the comparison lies left of it
    show: u32,             // SHOW_*
    checker: f32,          // side of a square, px
    zoom: f32,             // px per picture pixel
    original_lod: f32,     // mip level to sample; negative: the nearest texel of level 0
    pixel_grid: u32,       // 0 or 1
    look: Look,            // 32 bytes
};

// One rectangle on which no picture changes its tile; each field is (left, top, right, bottom).
struct Quad {
    @location(0) screen: vec4<f32>,    // px in the pane
    @location(1) picture: vec4<f32>,   // picture pixels, less a whole number (so that f32 holds the fractions)
    @location(2) original: vec4<f32>,  // texels of the original's tile
    @location(3) over: vec4<f32>,      // texels of the result's tile; for a map: 0..1 of it
};

struct Fragment {
    @builtin(position) position: vec4<f32>,
    @location(0) screen: vec2<f32>,
    @location(1) picture: vec2<f32>,
    @location(2) original: vec2<f32>,
    @location(3) over: vec2<f32>,
};

@group(0) @binding(0) var<uniform> pane: Pane;
@group(0) @binding(1) var smooth_sampler: sampler;
@group(0) @binding(2) var<uniform> palette: array<vec4<u32>, 64>; // 256 colours: red in the lowest byte, alpha in the highest
@group(1) @binding(0) var original_tile: texture_2d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32, quad: Quad) -> Fragment {
    let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    var out: Fragment;
    out.screen = mix(quad.screen.xy, quad.screen.zw, corner);
    out.picture = mix(quad.picture.xy, quad.picture.zw, corner);
    out.original = mix(quad.original.xy, quad.original.zw, corner);
    out.over = mix(quad.over.xy, quad.over.zw, corner);
    let ndc = out.screen / pane.size * 2.0 - 1.0;
    out.position = vec4<f32>(ndc.x, -ndc.y, 0.0, 1.0);
    return out;
}

fn fetch(tile: texture_2d<f32>, texel: vec2<f32>, lod: f32) -> vec4<f32> {
    let size = textureDimensions(tile, 0);
    if lod < 0.0 {
        let nearest = clamp(vec2<i32>(floor(texel + TIE)), vec2<i32>(0), vec2<i32>(size) - 1);
        return textureLoad(tile, nearest, 0);
    }
    return textureSampleLevel(tile, smooth_sampler, texel / vec2<f32>(size), lod);
}

// A colour of the palette and its alpha, 0..=1.
fn palette_colour(index: u32) -> vec4<f32> {
    let packed = palette[index >> 2u][index & 3u];
    return vec4<f32>((vec4<u32>(packed) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u)) / 255.0;
}

// The encoded colour of one screen pixel.
fn composite(in: Fragment) -> vec3<f32> {
    let original = fetch(original_tile, in.original, pane.original_lod);
    var over = vec4<f32>(original.rgb, 1.0); // multiplied by its alpha
    var board = CHECKER[u32(floor(in.screen.x / pane.checker) + floor(in.screen.y / pane.checker)) % 2u];

    if pane.show != SHOW_ORIGINAL {
        over = shown(in, original.rgb, pane.show == SHOW_LEFT || (pane.show == SHOW_SPLIT && in.screen.x < pane.split));
    }
    if pane.show == SHOW_DIFFERENCE {
        board = 0.0; // a pixel nobody can see does not differ
        if !differs_itself() {
            over = vec4<f32>(min(abs(original.rgb - over.rgb) * DIFFERENCE_GAIN, vec3<f32>(1.0)), 1.0);
        }
    }
    var colour = vec3<f32>(board) * (1.0 - over.a * original.a) + over.rgb * original.a;

    if pane.pixel_grid != 0u {
        // The first screen pixel of every picture pixel, tinted against what lies under it.
        let into = fract(in.picture + TIE) * pane.zoom;
        if into.x < 1.0 || into.y < 1.0 {
            let line = select(1.0, 0.0, dot(colour, LUMA) > 0.5);
            colour = mix(colour, vec3<f32>(line), GRID_OPACITY);
        }
    }
    return colour;
}

fn linear_from_encoded(encoded: vec3<f32>) -> vec3<f32> {
    let low = encoded / 12.92;
    let high = pow((encoded + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, encoded < vec3<f32>(0.04045));
}

// For a target that stores what it is given (Rgba8Unorm): what egui prefers.
@fragment
fn fs_main_gamma_framebuffer(in: Fragment) -> @location(0) vec4<f32> {
    return vec4<f32>(composite(in), 1.0);
}

// For a target that encodes what it is given (Rgba8UnormSrgb): undo that in advance.
@fragment
fn fs_main_linear_framebuffer(in: Fragment) -> @location(0) vec4<f32> {
    return vec4<f32>(linear_from_encoded(composite(in)), 1.0);
}
