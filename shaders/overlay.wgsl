// Lays class labels over the original. Joined to pane.wgsl, whose palette is the classes' colours, with alpha 0 for those
// that are not shown; the twin is `src/gpu/overlay.rs`, which says what the constants mean.

const NO_LABEL = 255u;
const LIT_REST = 0.4;
const LIT_LINE = 0.9;
const LIT_FILL = 0.5;
const DISAGREEMENT_PHOTO = 0.5;
const STRIPE = 5.0;

const FILL = 0u;
const OUTLINES = 1u;
const CUT_OUT = 2u;

struct Look {
    step: vec2<f32>,       // how much of the map (0..1) a screen pixel is wide and high
    opacity: f32,          // 0..=1
    mode: u32,             // FILL, OUTLINES or CUT_OUT
    lit: u32,              // the class that stands out, which is shown; or NO_LABEL
    other: u32,            // 1: the left side of the comparison is the other map
    crisp: u32,            // 1: one place per screen pixel, else the mean of four
    unused: u32,
};

// A texel is a label, and how many texels around it hold the same one.
@group(2) @binding(0) var labels: texture_2d<u32>;
@group(3) @binding(0) var other_labels: texture_2d<u32>;

fn strong() -> f32 {
    let rest = 1.0 - pane.look.opacity;
    return 1.0 - rest * rest;
}

fn kept(label: u32) -> f32 {
    return select(LIT_REST, 1.0, pane.look.lit == NO_LABEL || pane.look.lit == label);
}

fn rank(label: u32) -> u32 {
    if palette_colour(label).a == 0.0 {
        return 0u;
    }
    return select(label + 1u, 257u, label == pane.look.lit);
}

fn texel(map: texture_2d<u32>, at: vec2<f32>) -> vec2<u32> {
    let last = vec2<i32>(textureDimensions(map, 0)) - 1;
    return textureLoad(map, clamp(vec2<i32>(floor(at + TIE)), vec2<i32>(0), last), 0).xy;
}

fn lower(map: texture_2d<u32>, own: u32, at: vec2<f32>) -> bool {
    return rank(texel(map, at).x) < own;
}

// Does this place (in texels; `step` of them are a screen pixel) belong to the line along its class's border?
fn is_edge(map: texture_2d<u32>, label: u32, at: vec2<f32>, step: vec2<f32>) -> bool {
    let own = rank(label);
    return own > 0u && (
        lower(map, own, at + vec2<f32>(-2.0, 0.0) * step) ||
        lower(map, own, at + vec2<f32>(2.0, 0.0) * step) ||
        lower(map, own, at + vec2<f32>(0.0, -2.0) * step) ||
        lower(map, own, at + vec2<f32>(0.0, 2.0) * step) ||
        lower(map, own, at + vec2<f32>(-1.414, -1.414) * step) ||
        lower(map, own, at + vec2<f32>(1.414, -1.414) * step) ||
        lower(map, own, at + vec2<f32>(-1.414, 1.414) * step) ||
        lower(map, own, at + vec2<f32>(1.414, 1.414) * step) ||
        lower(map, own, at + vec2<f32>(-1.0, 0.0) * step) ||
        lower(map, own, at + vec2<f32>(1.0, 0.0) * step) ||
        lower(map, own, at + vec2<f32>(0.0, -1.0) * step) ||
        lower(map, own, at + vec2<f32>(0.0, 1.0) * step)
    );
}

// One place of the photo under the overlay: colour times alpha, and alpha.
fn overlay(original: vec3<f32>, label: u32, edge: bool) -> vec4<f32> {
    let look = pane.look;
    let colour = palette_colour(label);
    if colour.a == 0.0 {
        return vec4<f32>(original, 1.0) * select(1.0, 1.0 - look.opacity, look.mode == CUT_OUT);
    }
    let lit = label == look.lit;
    if lit && edge {
        return vec4<f32>(original * (1.0 - LIT_LINE) + LIT_LINE, 1.0);
    }
    if look.mode == CUT_OUT {
        return vec4<f32>(original, 1.0) * (1.0 - look.opacity * (1.0 - kept(label)));
    }
    var strength = 0.0;
    if look.mode == FILL {
        strength = select(look.opacity * kept(label), strong(), lit);
    } else if edge {
        strength = strong() * kept(label);
    } else if lit {
        strength = look.opacity * LIT_FILL;
    }
    return vec4<f32>(original * (1.0 - strength) + colour.rgb * strength, 1.0);
}

fn draws_lines() -> bool {
    return pane.look.mode == OUTLINES || pane.look.lit != NO_LABEL;
}

fn sampled(map: texture_2d<u32>, original: vec3<f32>, at: vec2<f32>, step: vec2<f32>) -> vec4<f32> {
    let label = texel(map, at).x;
    return overlay(original, label, draws_lines() && is_edge(map, label, at, step));
}

fn overlaid(map: texture_2d<u32>, in: Fragment, original: vec3<f32>) -> vec4<f32> {
    let size = vec2<f32>(textureDimensions(map, 0));
    let at = in.over * size;
    let step = pane.look.step * size;
    // Most pixels are far from any border, and need no more than one look at the map.
    let here = texel(map, at);
    let reach = ceil(select(0.375, 2.375, draws_lines()) * step);
    if max(reach.x, reach.y) <= f32(here.y) {
        return overlay(original, here.x, false);
    }
    if pane.look.crisp != 0u {
        return sampled(map, original, at, step);
    }
    return (sampled(map, original, at + vec2<f32>(-0.125, -0.375) * step, step) +
        sampled(map, original, at + vec2<f32>(0.375, -0.125) * step, step) +
        sampled(map, original, at + vec2<f32>(0.125, 0.375) * step, step) +
        sampled(map, original, at + vec2<f32>(-0.375, 0.125) * step, step)) / 4.0;
}

fn shown(in: Fragment, original: vec3<f32>, left: bool) -> vec4<f32> {
    if !left {
        return overlaid(labels, in, original);
    }
    if pane.look.other != 0u {
        return overlaid(other_labels, in, original);
    }
    return vec4<f32>(original, 1.0);
}

// The label, or none where its class is not shown.
fn seen(label: u32) -> u32 {
    return select(label, NO_LABEL, palette_colour(label).a == 0.0);
}

// One place, `place` px from the screen pixel's middle.
fn disagreement(in: Fragment, grey: vec3<f32>, place: vec2<f32>) -> vec3<f32> {
    let over = in.over + place * pane.look.step;
    let left = seen(texel(other_labels, over * vec2<f32>(textureDimensions(other_labels, 0))).x);
    let right = seen(texel(labels, over * vec2<f32>(textureDimensions(labels, 0))).x);
    let screen = in.screen + place;
    let label = select(right, left, fract((screen.x + screen.y + 0.125) / (2.0 * STRIPE)) < 0.5);
    if left == right || label == NO_LABEL {
        return grey;
    }
    let strength = strong() * max(kept(left), kept(right));
    return grey * (1.0 - strength) + palette_colour(label).rgb * strength;
}

fn differing(in: Fragment, original: vec3<f32>) -> vec3<f32> {
    if pane.look.other == 0u {
        return difference(original, overlaid(labels, in, original).rgb);
    }
    let grey = vec3<f32>(dot(original, LUMA) * DISAGREEMENT_PHOTO);
    if pane.look.crisp != 0u {
        return disagreement(in, grey, vec2<f32>(0.0));
    }
    let sizes = array<vec2<f32>, 2>(vec2<f32>(textureDimensions(other_labels, 0)), vec2<f32>(textureDimensions(labels, 0)));
    let left = texel(other_labels, in.over * sizes[0]);
    let right = texel(labels, in.over * sizes[1]);
    let reach = ceil(0.375 * pane.look.step * max(sizes[0], sizes[1]));
    if seen(left.x) == seen(right.x) && max(reach.x, reach.y) <= f32(min(left.y, right.y)) {
        return grey;
    }
    return (disagreement(in, grey, vec2<f32>(-0.125, -0.375)) + disagreement(in, grey, vec2<f32>(0.375, -0.125)) +
        disagreement(in, grey, vec2<f32>(0.125, 0.375)) + disagreement(in, grey, vec2<f32>(-0.375, 0.125))) / 4.0;
}
