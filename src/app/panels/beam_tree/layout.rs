//! Where the words of the tree stand: a column for each step of the search, no two edges across each other, the chosen
//! sentence in a straight line.

use crate::app::captioned::Told;
use crate::tasks::caption::Fate;

/// A word's chip, in points at zoom 1.
pub struct Chip {
    pub high: f32,
    pub type_size: f32,
    pub small: f32,
}

/// As the window draws them.
pub const CHIP: Chip = Chip { high: 42.0, type_size: 16.0, small: 11.5 };
/// Around a word, and between two columns.
const PAD: f32 = 9.0;
const GAP: f32 = 28.0;
/// What the number below a word takes.
const LEAST: f32 = 38.0;
/// From one row to the next; more, where there is room.
const ROWS: std::ops::RangeInclusive<f32> = 50.0..=72.0;
/// How much the chosen sentence would rather be straight than others.
const WEIGHT: f32 = 1e4;

/// Where a word stands.
#[derive(Clone, Debug)]
pub struct Spot {
    pub left: f32,
    pub middle: f32,
    pub wide: f32,
    /// Of the chosen sentence.
    pub chosen: bool,
    /// Some sentence that was kept goes through it.
    pub lives: bool,
}

/// A tree, laid out.
pub struct Layout {
    /// Width and height, points at zoom 1.
    pub size: [f32; 2],
    /// How far from the top the chosen sentence runs.
    pub line: f32,
    /// By node.
    pub spots: Vec<Option<Spot>>,
    /// The nodes of each step.
    columns: Vec<Vec<usize>>,
    depths: Vec<usize>,
    scores: Vec<f32>,
}

impl Layout {
    /// Lays out a search's tree; `wide` tells how wide a node's word is. There is room for it to be `aspect` as high as wide.
    pub fn new(told: &Told, wide: impl Fn(usize) -> f32, aspect: f32) -> Layout {
        let nodes = &told.outcome.tree.nodes;
        if nodes.is_empty() {
            let (columns, depths, scores) = (Vec::new(), Vec::new(), Vec::new());
            return Layout { size: [1.0; 2], line: 0.0, spots: Vec::new(), columns, depths, scores };
        }
        let mut depths = vec![0_usize; nodes.len()];
        let mut columns: Vec<Vec<usize>> = vec![Vec::new()];
        for (node, n) in nodes.iter().enumerate() {
            // Parents come before their children.
            depths[node] = n.parent.filter(|parent| *parent < node).map_or(0, |parent| depths[parent] + 1);
            if columns.len() <= depths[node] {
                columns.push(Vec::new());
            }
            columns[depths[node]].push(node);
        }
        let mut chosen = vec![false; nodes.len()];
        let words = told.sentence().into_iter().flat_map(|s| s.words.iter().chain(&s.end));
        words.for_each(|word| chosen[word.node.min(nodes.len() - 1)] = true);
        chosen[0] = true;
        let mut lives: Vec<bool> = nodes.iter().map(|n| matches!(n.fate, Fate::Finished | Fate::Unfinished)).collect();
        for (node, n) in nodes.iter().enumerate().rev() {
            if let Some(parent) = n.parent.filter(|parent| *parent < node) {
                lives[parent] |= lives[node];
            }
        }
        // From above to below in a column: as their parents, and of one parent the likelier first.
        let mut middles = vec![0.0_f32; nodes.len()];
        let mut order = vec![0_usize; nodes.len()];
        for column in &mut columns {
            let parent = |node: usize| nodes[node].parent.filter(|parent| *parent < node);
            column.sort_by(|a, b| {
                let of = |node: usize| parent(node).map_or(0, |parent| order[parent]);
                of(*a).cmp(&of(*b)).then(nodes[*b].score.total_cmp(&nodes[*a].score))
            });
            column.iter().enumerate().for_each(|(i, node)| order[*node] = i);
            let wanted: Vec<(f32, f32)> = column
                .iter()
                .map(|node| match (chosen[*node], parent(*node)) {
                    (true, _) => (0.0, WEIGHT),
                    (false, parent) => (parent.map_or(0.0, |parent| middles[parent]), 1.0),
                })
                .collect();
            let placed = apart(&wanted);
            column.iter().zip(placed).for_each(|(node, middle)| middles[*node] = middle);
        }
        let top = middles.iter().copied().fold(0.0, f32::min);
        let bottom = middles.iter().copied().fold(0.0, f32::max);
        let widths: Vec<f32> = columns
            .iter()
            .map(|column| column.iter().map(|node| wide(*node)).fold(LEAST, f32::max) + 2.0 * PAD)
            .collect();
        let width = widths.iter().sum::<f32>() + GAP * (widths.len() - 1) as f32;
        let row = ((width * aspect - 2.0 * CHIP.high) / (bottom - top).max(1.0)).clamp(*ROWS.start(), *ROWS.end());
        let mut spots = vec![None; nodes.len()];
        let mut left = 0.0;
        for (column, widest) in columns.iter().zip(widths) {
            for &node in column {
                let middle = (middles[node] - top) * row + CHIP.high / 2.0;
                let (chosen, lives) = (chosen[node], lives[node]);
                spots[node] = Some(Spot { left, middle, wide: widest, chosen, lives });
            }
            left += widest + GAP;
        }
        let size = [width.max(1.0), (bottom - top) * row + CHIP.high];
        Layout {
            size,
            line: CHIP.high / 2.0 - top * row,
            spots,
            columns,
            depths,
            scores: nodes.iter().map(|n| n.score).collect(),
        }
    }

    /// How many hypotheses of the same step are likelier, and one.
    pub fn rank(&self, node: usize) -> usize {
        let column = self.depths.get(node).and_then(|depth| self.columns.get(*depth));
        let score = |node: usize| self.scores.get(node).copied().unwrap_or(f32::NEG_INFINITY);
        1 + column.iter().flat_map(|nodes| nodes.iter()).filter(|other| score(**other) > score(node)).count()
    }

    /// How many hypotheses the step has.
    pub fn beside(&self, node: usize) -> usize {
        self.depths.get(node).and_then(|depth| self.columns.get(*depth)).map_or(0, Vec::len)
    }
}

/// Places as near as can be, by weight, to where they are wanted, in the same order and at least 1 apart: isotonic
/// regression by pooling adjacent violators.
fn apart(wanted: &[(f32, f32)]) -> Vec<f32> {
    // Weight, weighted mean, count
    let mut pools: Vec<(f32, f32, usize)> = Vec::new();
    for (i, (place, weight)) in wanted.iter().enumerate() {
        let mut pool = (*weight, place - i as f32, 1);
        while let Some(last) = pools.last().filter(|last| last.1 > pool.1) {
            let weight = last.0 + pool.0;
            pool = (weight, (last.0 * last.1 + pool.0 * pool.1) / weight, last.2 + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(_, mean, count)| std::iter::repeat_n(mean, count));
    means.enumerate().map(|(i, mean)| mean + i as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_apart_and_near_where_they_are_wanted() {
        assert_eq!(apart(&[]), Vec::<f32>::new());
        assert_eq!(apart(&[(0.0, 1.0), (4.0, 1.0)]), [0.0, 4.0]);
        assert_eq!(apart(&[(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)]), [-1.0, 0.0, 1.0]);
        // What weighs more stays where it is wanted.
        let heavy = apart(&[(0.0, 1.0), (0.0, WEIGHT), (0.0, 1.0)]);
        assert!(heavy.iter().zip([-1.0, 0.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-2), "{heavy:?}");
        let heavy = apart(&[(0.0, WEIGHT), (0.0, 1.0), (0.0, 1.0)]);
        assert!(heavy.iter().zip([0.0, 1.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-2), "{heavy:?}");
        for pair in apart(&[(5.0, 1.0), (1.0, 3.0), (1.5, 2.0), (-8.0, 1.0), (9.0, 1.0)]).windows(2) {
            assert!(pair[1] - pair[0] >= 1.0 - 1e-5);
        }
    }
}
