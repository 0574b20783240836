//! The tree as a drawing for slides and papers.

use std::fmt::Write;

use super::layout::{CHIP, Layout};
use crate::app::captioned::Told;
use crate::app::words::Words;
use crate::tasks::caption::Fate;

/// Around the tree.
const EDGE: f32 = 16.0;
/// The width of a letter, of its height; about, for who opens the drawing has other fonts.
const LETTER: f32 = 0.58;

/// An SVG of the tree with the sentence that is told in the accent colour, on white.
pub fn svg(told: &Told, words: &Words) -> String {
    let nodes = &told.outcome.tree.nodes;
    let name = |node: usize| {
        let word = nodes.get(node).and_then(|n| told.outcome.words.word(n.word));
        word.map(|word| words.said(word)).unwrap_or_default()
    };
    let tree = Layout::new(told, |node| name(node).chars().count() as f32 * LETTER * CHIP.type_size, 0.0);
    let [width, height] = tree.size.map(|side| (side + 2.0 * EDGE).ceil());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" text-anchor=\"middle\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let ink = |chosen: bool, lives: bool| match (chosen, lives) {
        (true, _) => "#aa5208",
        (_, true) => "#444",
        _ => "#aaa",
    };
    // Writing to a string does not fail.
    let mut put = |line: std::fmt::Arguments<'_>| _ = out.write_fmt(line);
    for (node, spot) in tree.spots.iter().enumerate() {
        let parent = nodes.get(node).and_then(|n| tree.spots.get(n.parent?)?.as_ref());
        let Some((spot, from)) = spot.as_ref().zip(parent) else { continue };
        let (x0, y0) = (from.left + from.wide + EDGE, from.middle + EDGE);
        let (x1, y1) = (spot.left + EDGE, spot.middle + EDGE);
        let (middle, colour) = ((x0 + x1) / 2.0, ink(spot.chosen, spot.lives));
        let line = if spot.chosen { 3.0 } else { 1.2 };
        put(format_args!(
            "<path d=\"M{x0:.1} {y0:.1}C{middle:.1} {y0:.1} {middle:.1} {y1:.1} {x1:.1} {y1:.1}\" fill=\"none\" \
             stroke=\"{colour}\" stroke-width=\"{line}\"/>\n"
        ));
    }
    for (node, spot) in tree.spots.iter().enumerate() {
        let Some((spot, n)) = spot.as_ref().zip(nodes.get(node)) else { continue };
        let (left, top, colour) =
            (spot.left + EDGE, spot.middle - CHIP.high / 2.0 + EDGE, ink(spot.chosen, spot.lives));
        let (fill, text) = if spot.chosen { ("#aa5208", "#fff") } else { ("#fff", colour) };
        let line = if n.fate == Fate::Finished { 2.5 } else { 1.0 };
        let (middle, first) = (left + spot.wide / 2.0, if node == 0 { 25.0 } else { 18.0 });
        put(format_args!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"{colour}\" \
             stroke-width=\"{line}\"/><text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"{}\" fill=\"{text}\">{}</text>",
            spot.wide,
            CHIP.high,
            top + first,
            CHIP.type_size,
            escaped(&name(node))
        ));
        if node > 0 {
            let score = format!("{:.2}", n.score).replace('-', "−");
            let (y, size) = (top + 33.0, CHIP.small);
            put(format_args!(
                "<text x=\"{middle:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{text}\">{score}</text>"
            ));
        }
        put(format_args!("\n"));
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
