//! How much of a picture each class covers, and where its name reads best.

use imageproc::distance_transform::euclidean_squared_distance_transform;
use imageproc::image::{GrayImage, Luma};
use rayon::prelude::*;

use super::scores::NO_LABEL;

/// One class as it lies in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its place among the model's classes.
    pub class: u8,
    /// How many pixels are of it; at least one.
    pub pixels: u64,
    /// Those over all the picture's, 0..=1.
    pub share: f64,
    /// The middle of its widest part, from the picture's left and top over its width and height.
    pub anchor: [f32; 2],
    /// How far it reaches from there in every direction, over the picture's longer side.
    pub room: f32,
}

/// The longer side, in pixels, of the map on which anchors are sought: a name needs no finer place.
const MAP: usize = 192;

/// The classes among `labels`, those of a picture `width` wide from top to bottom, the largest first. [`NO_LABEL`] counts
/// for the whole only.
pub(super) fn areas(labels: &[u8], width: usize) -> Vec<Area> {
    let counts = labels
        .par_chunks(1 << 16)
        .map(|labels| {
            let mut counts = [0u64; 256];
            labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
            counts
        })
        .reduce(|| [0; 256], |a, b| std::array::from_fn(|i| a[i] + b[i]));
    let map = Map::new(labels, width);
    let present: Vec<u8> = (0..NO_LABEL).filter(|class| counts[usize::from(*class)] > 0).collect();
    let area = |class: &u8| {
        let pixels = counts[usize::from(*class)];
        let (anchor, room) = map.anchor(*class);
        Area { class: *class, pixels, share: pixels as f64 / labels.len() as f64, anchor, room }
    };
    let mut areas: Vec<Area> = present.par_iter().map(area).collect();
    areas.sort_by_key(|area| (std::cmp::Reverse(area.pixels), area.class));
    areas
}

/// The labels of a picture, made small.
struct Map {
    labels: Vec<u8>,
    size: [usize; 2],
}

impl Map {
    fn new(labels: &[u8], width: usize) -> Map {
        let from = [width, labels.len() / width.max(1)];
        let longer = from[0].max(from[1]).max(1);
        let size = from.map(|side| (side * MAP).div_ceil(longer).min(side));
        let at = |i: usize, axis: usize| (2 * i + 1) * from[axis] / (2 * size[axis]);
        let labels =
            (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| labels[at(y, 1) * width + at(x, 0)])).collect();
        Map { labels, size }
    }

    /// The pixel of the class that is farthest from all others and from the border: the middle of the largest circle
    /// within. The picture's middle for a class too small to be on the map.
    fn anchor(&self, class: u8) -> ([f32; 2], f32) {
        let [width, height] = self.size;
        // With a frame around, so that the border counts as another class.
        let outside = GrayImage::from_fn(width as u32 + 2, height as u32 + 2, |x, y| {
            let inner = (1..=width).contains(&(x as usize)) && (1..=height).contains(&(y as usize));
            let of_class = inner && self.labels[(y as usize - 1) * width + x as usize - 1] == class;
            Luma([if of_class { 0 } else { 255 }])
        });
        let mut best = (0.0, [width as f32 / 2.0, height as f32 / 2.0]);
        for (x, y, distance) in euclidean_squared_distance_transform(&outside).enumerate_pixels() {
            if distance[0] > best.0 {
                best = (distance[0], [x as f32 - 0.5, y as f32 - 0.5]);
            }
        }
        let (distance, [x, y]) = best;
        ([x / width as f32, y / height as f32], distance.sqrt() as f32 / width.max(height) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_add_up_and_the_largest_comes_first() {
        let mut labels = vec![7u8; 60 * 40];
        labels[..60 * 10].fill(2);
        labels[0] = NO_LABEL;
        let areas = areas(&labels, 60);
        let told: Vec<_> = areas.iter().map(|a| (a.class, a.pixels)).collect();
        assert_eq!(told, [(7, 1800), (2, 599)]);
        assert!((areas.iter().map(|a| a.share).sum::<f64>() - 2399.0 / 2400.0).abs() < 1e-12);
    }

    #[test]
    fn a_name_stands_in_the_middle_of_the_widest_part() {
        // A thin line and a square of one class: the square's middle.
        let mut labels = vec![0u8; 400 * 300];
        for y in 0..300 {
            for x in 0..400 {
                if y == 10 || ((200..300).contains(&x) && (100..200).contains(&y)) {
                    labels[y * 400 + x] = 5;
                }
            }
        }
        let found = areas(&labels, 400).into_iter().find(|a| a.class == 5).map(|a| (a.anchor, a.room));
        let ([x, y], room) = found.unwrap_or_default();
        assert!((x - 250.0 / 400.0).abs() < 0.01 && (y - 150.0 / 300.0).abs() < 0.01, "{x} {y}");
        assert!((room - 50.0 / 400.0).abs() < 0.01, "{room}");
    }

    #[test]
    fn strips_and_single_pixels_have_areas_too() {
        assert_eq!(areas(&[3], 1)[0].anchor, [0.5, 0.5]);
        let strip = vec![1u8; 4000 * 2];
        assert_eq!(areas(&strip, 4000).len(), 1);
        assert_eq!(areas(&strip, 2)[0].pixels, 8000);
    }
}
