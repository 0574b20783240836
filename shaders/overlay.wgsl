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
    pixel: vec2<f32>,      // how much of the map (0..1) a screen pixel is wide and high
    opacity: f32,          // 0..=1
    mode: u32,             // FILL, OUTLINES or CUT_OUT
    lit: u32,              // the class that stands out, which is shown; or NO_LABEL
    other: u32,            // 1: the left side of the comparison is the other map
    places: u32,           // how many of a screen pixel are looked at near a border: 1 or 4
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

// The maps are told apart here and nowhere above, so that everything else is compiled once: `other` is the left side of a
// comparison.
fn map_size(other: bool) -> vec2<f32> {
    if other {
        return vec2<f32>(textureDimensions(other_labels, 0));
    }
    return vec2<f32>(textureDimensions(labels, 0));
}

fn texel(other: bool, at: vec2<f32>) -> vec2<u32> {
    let nearest = clamp(vec2<i32>(floor(at)), vec2<i32>(0), vec2<i32>(map_size(other)) - 1);
    if other {
        return textureLoad(other_labels, nearest, 0).xy;
    }
    return textureLoad(labels, nearest, 0).xy;
}

// How many of the map's texels a screen pixel is wide and high.
fn texels_per_pixel(other: bool) -> vec2<f32> {
    return pane.look.pixel * map_size(other);
}

// The place in the map, in texels, of a screen pixel's middle.
fn position(other: bool, in: Fragment) -> vec2<f32> {
    // The tie is never much of a screen pixel.
    return in.over * map_size(other) + TIE * min(texels_per_pixel(other), vec2<f32>(1.0));
}

// Are all labels the same that a screen pixel looks at, `reach` px around its middle?
fn is_plain(other: bool, clearance: u32, reach: f32) -> bool {
    let texels = ceil(reach * texels_per_pixel(other));
    return max(texels.x, texels.y) <= f32(clearance);
}

// Where a screen pixel is looked at, px from its middle. The number of places is not a constant and the places are no
// array, here and in `neighbour`, for else software adapters unroll the loops, and then run through all of it everywhere.
fn place(i: u32) -> vec2<f32> {
    if pane.look.places == 1u {
        return vec2<f32>(0.0);
    }
    // In eighths, 4 added: (-1, -3), (3, -1), (1, 3), (-3, 1).
    return (vec2<f32>((vec2<u32>(0x1573u, 0x5731u) >> vec2<u32>(4u * i)) & vec2<u32>(15u)) - 4.0) / 8.0;
}

// Where a line looks for another class, px: 2 px left, right, up, down; 1.414 px along both axes; 1 px as at first.
fn neighbour(i: u32) -> vec2<f32> {
    let towards = vec2<f32>((vec2<u32>(0x588858u, 0x85a085u) >> vec2<u32>(2u * i)) & vec2<u32>(3u)) - 1.0;
    return towards * select(select(1.0, 1.414, i < 8u), 2.0, i < 4u);
}

// Does this place (in texels) belong to the line along its class's border?
fn is_edge(other: bool, label: u32, at: vec2<f32>) -> bool {
    let own = rank(label);
    let step = texels_per_pixel(other);
    let count = select(0u, 12u, draws_lines() && own > 0u);
    for (var i = 0u; i < count; i++) {
        if rank(texel(other, at + neighbour(i) * step).x) < own {
            return true;
        }
    }
    return false;
}

fn draws_lines() -> bool {
    return pane.look.mode == OUTLINES || pane.look.lit != NO_LABEL;
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

fn grey(original: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(dot(original, LUMA) * DISAGREEMENT_PHOTO);
}

// The label, or none where its class is not shown.
fn seen(label: u32) -> u32 {
    return select(label, NO_LABEL, palette_colour(label).a == 0.0);
}

// One place of the map of disagreement, `screen` px from the pane's top left.
fn disagreement(original: vec3<f32>, left: u32, right: u32, screen: vec2<f32>) -> vec3<f32> {
    // The eighth keeps the stripes' ends off the places that are looked at, where rounding would decide.
    let label = select(right, left, fract((screen.x + screen.y + 0.125) / (2.0 * STRIPE)) < 0.5);
    let colour = palette_colour(label);
    if seen(left) == seen(right) || colour.a == 0.0 {
        return grey(original);
    }
    let strength = strong() * max(kept(left), kept(right));
    return grey(original) * (1.0 - strength) + colour.rgb * strength;
}

fn differs_itself() -> bool {
    return pane.look.other != 0u;
}

fn shown(in: Fragment, original: vec3<f32>, left: bool) -> vec4<f32> {
    if left && pane.look.other == 0u {
        return vec4<f32>(original, 1.0);
    }
    let disagree = pane.show == SHOW_DIFFERENCE && differs_itself();
    let middle = position(left, in);
    let here = texel(left, middle);
    var sum = overlay(original, here.x, false);
    // Most pixels are far from any border, and need no more than one look at the map.
    var plain = is_plain(left, here.y, select(0.375, 2.375, draws_lines() && !disagree));
    if disagree {
        let there = texel(true, position(true, in));
        sum = vec4<f32>(grey(original), 1.0);
        plain = plain && seen(here.x) == seen(there.x) && is_plain(true, there.y, 0.375);
    }
    let places = select(pane.look.places, 0u, plain);
    if !plain {
        sum = vec4<f32>(0.0);
    }
    for (var i = 0u; i < places; i++) {
        let at = middle + place(i) * texels_per_pixel(left);
        let label = texel(left, at).x;
        if disagree {
            let other = texel(true, position(true, in) + place(i) * texels_per_pixel(true)).x;
            sum += vec4<f32>(disagreement(original, other, label, in.screen + place(i)), 1.0);
        } else {
            sum += overlay(original, label, is_edge(left, label, at));
        }
    }
    return sum / f32(max(places, 1u));
}
