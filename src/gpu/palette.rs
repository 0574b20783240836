//! Class colours that colour-blind people can tell apart.
//!
//! The numbers were found by gradient descent, for the largest least distance in OKLab (Ottosson 2020) between any two
//! colours as seen with normal vision and with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes
//! 2009, severity 1); the tests hold them to what was reached.

use std::sync::Arc;

/// 256 colours as a pipeline's uniform takes them.
pub(super) type Palette = Arc<[[u8; 4]; 256]>;

/// The colour of every class, and whether it is shown. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ClassColours(Palette);

impl std::fmt::Debug for ClassColours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClassColours({} shown)", self.0.iter().filter(|colour| colour[3] != 0).count())
    }
}

impl ClassColours {
    /// Classes 0, 1, 2 ... in these sRGB-encoded colours, all shown; every further one is hidden.
    /// [`NO_LABEL`](super::overlay::NO_LABEL) never has a colour.
    pub fn new(colours: &[[u8; 3]]) -> Self {
        let mut all = [[0; 4]; 256];
        for (slot, &[r, g, b]) in all[..255].iter_mut().zip(colours) {
            *slot = [r, g, b, 255];
        }
        Self(Arc::new(all))
    }

    /// Colours for the classes of a model, told by how many there are: Pascal VOC's 21, CamVid's 11, any others. All are
    /// shown but one that is called "background", which is where nothing is.
    pub fn of(classes: &[String]) -> Self {
        let mut all = match classes.len() {
            21 => Self::new(&voc()),
            11 => Self::new(&camvid()),
            n => Self::new(&categorical(n)),
        };
        if let Some(background) = classes.iter().position(|name| name == "background") {
            all.show(background as u8, false);
        }
        all
    }

    /// The class's sRGB-encoded colour, shown or not.
    pub fn colour(&self, class: u8) -> [u8; 3] {
        let [r, g, b, _] = self.0[usize::from(class)];
        [r, g, b]
    }

    /// Gives the class another colour.
    pub fn set_colour(&mut self, class: u8, colour: [u8; 3]) {
        if self.colour(class) != colour {
            Arc::make_mut(&mut self.0)[usize::from(class)][..3].copy_from_slice(&colour);
        }
    }

    /// True if the class is drawn.
    pub fn is_shown(&self, class: u8) -> bool {
        self.0[usize::from(class)][3] != 0
    }

    /// Shows or hides the class. [`NO_LABEL`](super::overlay::NO_LABEL) stays hidden.
    pub fn show(&mut self, class: u8, shown: bool) {
        if class != super::overlay::NO_LABEL && self.is_shown(class) != shown {
            Arc::make_mut(&mut self.0)[usize::from(class)][3] = if shown { 255 } else { 0 };
        }
    }

    /// The class's colour, sRGB-encoded 0..=1, if it is drawn.
    pub(super) fn shown(&self, class: u8) -> Option<[f32; 3]> {
        self.is_shown(class).then(|| self.colour(class).map(|v| f32::from(v) / 255.0))
    }

    pub(super) fn palette(&self) -> &Palette {
        &self.0
    }
}

/// Colours for the 21 classes of Pascal VOC: background (a neutral grey), aeroplane, bicycle, bird, boat, bottle, bus,
/// car, cat, chair, cow, dining table, dog, horse, motorbike, person, potted plant, sheep, sofa, train, monitor.
///
/// Least distance 0.106 under each kind of vision; a person from a car, dog, horse, chair, bicycle or motorbike, which are
/// met together most, 0.21 and more.
pub fn voc() -> [[u8; 3]; 21] {
    VOC.map(rgb)
}

/// Colours for the 11 classes of CamVid: sky, building, pole, road (a neutral grey), pavement, tree, sign, fence, car,
/// pedestrian, bicyclist.
///
/// Least distance 0.133 under each kind of vision.
pub fn camvid() -> [[u8; 3]; 11] {
    CAMVID.map(rgb)
}

/// `n` colours for any classes; the first ones differ most, and a longer list begins with a shorter one.
///
/// Up to 32 they can be told apart by everybody (the first 8: 0.17 and more, 16: 0.10, 32: 0.057); further ones repeat
/// the hues in other shades.
pub fn categorical(n: usize) -> Vec<[u8; 3]> {
    let shade = |i: usize| {
        let [r, g, b] = rgb(CATEGORICAL[i % CATEGORICAL.len()]);
        // Every round half way to white or black, and less of the rest each time.
        let rounds = i / CATEGORICAL.len();
        let (to, part) = (if rounds % 2 == 1 { 255.0 } else { 0.0 }, 1.0 - 0.7f32.powi(rounds as i32));
        [r, g, b].map(|v| (f32::from(v) * (1.0 - part) + to * part).round() as u8)
    };
    (0..n).map(shade).collect()
}

fn rgb(colour: u32) -> [u8; 3] {
    let [_, colour @ ..] = colour.to_be_bytes();
    colour
}

const VOC: [u32; 21] = [
    0x6c6c6c, 0xb26cbc, 0x0404f2, 0xe5efff, 0xcc8aff, 0x8caeb7, 0xff9e00, 0x921902, 0xfeda00, 0x8affa3, 0xc13a0e,
    0x9b3dad, 0x9266ff, 0x4a1867, 0xbec7fd, 0xe9620e, 0x3ba06e, 0x59da94, 0x670429, 0x0200a8, 0x683f6d,
];

const CAMVID: [u32; 11] =
    [0x74cbfb, 0x531a4f, 0xa880fe, 0x575757, 0xa8fefb, 0x01a908, 0x003fff, 0xbcca76, 0xeffa08, 0xfc48a3, 0x3e039e];

/// Each is the farthest from all before it.
const CATEGORICAL: [u32; 32] = [
    0xff5544, 0x0000ff, 0xaaffff, 0x661100, 0xaa99ee, 0x332277, 0xffdd00, 0x995599, 0xaa3300, 0x55ddaa, 0x6677ff,
    0xcc7799, 0x554455, 0xeeaa00, 0xbbccff, 0x8800aa, 0x556655, 0x9977cc, 0x882222, 0xddeebb, 0x88bbcc, 0xbb11cc,
    0x669955, 0xbb5500, 0xcc9988, 0x552244, 0x777777, 0xccbb77, 0x334477, 0x88ee88, 0x11aabb, 0x4455ff,
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    type Matrix = [[f32; 3]; 3];

    /// Machado et al. 2009, severity 1, on linear light: normal, protanopia, deuteranopia, tritanopia.
    const VISION: [Matrix; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    fn times(m: Matrix, v: [f32; 3]) -> [f32; 3] {
        m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    fn seen(vision: Matrix, colour: [u8; 3]) -> [f32; 3] {
        let linear = colour.map(|v| {
            let v = f32::from(v) / 255.0;
            if v < 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let cones = times(
            [
                [0.4122215, 0.5363325, 0.051445995],
                [0.2119035, 0.6806995, 0.10739696],
                [0.08830246, 0.28171885, 0.6299787],
            ],
            times(vision, linear).map(|v| v.clamp(0.0, 1.0)),
        );
        times(
            [
                [0.21045426, 0.7936178, -0.004072047],
                [1.9779985, -2.4285922, 0.4505937],
                [0.025904037, 0.78277177, -0.80867577],
            ],
            cones.map(f32::cbrt),
        )
    }

    /// Lightness, green to red, blue to yellow (Ottosson 2020).
    pub fn oklab(colour: [u8; 3]) -> [f32; 3] {
        seen(VISION[0], colour)
    }

    /// The least distance of any two colours in OKLab, under the kind of vision that finds it hardest.
    fn least_distance(colours: &[[u8; 3]]) -> f32 {
        let mut least = f32::INFINITY;
        for vision in VISION {
            for (i, &a) in colours.iter().enumerate() {
                for &b in &colours[..i] {
                    let (a, b) = (seen(vision, a), seen(vision, b));
                    least = least.min((0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>().sqrt());
                }
            }
        }
        least
    }

    #[test]
    fn everybody_can_tell_the_classes_apart() {
        assert!(least_distance(&voc()) >= 0.106, "{}", least_distance(&voc()));
        let [bicycle, car, chair, dog, horse, motorbike, person] = [2, 7, 9, 12, 13, 14, 15].map(|class| voc()[class]);
        for other in [bicycle, car, chair, dog, horse, motorbike] {
            assert!(least_distance(&[person, other]) >= 0.21, "{other:?}");
        }
        assert!(least_distance(&camvid()) >= 0.133, "{}", least_distance(&camvid()));
        for (n, least) in [(8, 0.170), (16, 0.0999), (32, 0.057)] {
            assert!(least_distance(&categorical(n)) >= least, "{n}: {}", least_distance(&categorical(n)));
        }
        // What they are better than: the colours that Pascal VOC itself came with.
        let usual: Vec<[u8; 3]> = (0..21u8)
            .map(|id| {
                let bit = |n: u8| (id >> n & 1) << 7 | (id >> (n + 3) & 1) << 6;
                [bit(0), bit(1), bit(2)]
            })
            .collect();
        assert!(least_distance(&usual) < 0.03, "{}", least_distance(&usual));
    }

    #[test]
    fn the_road_and_the_background_are_neutral() {
        for [r, g, b] in [voc()[0], camvid()[3]] {
            assert!(r == g && g == b);
        }
    }

    #[test]
    fn every_number_of_classes_has_different_colours() {
        let all = categorical(255);
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (255, 255));
        assert_eq!(categorical(40), all[..40]);
        assert!(categorical(0).is_empty());
    }

    #[test]
    fn no_label_is_never_shown() {
        let mut colours = ClassColours::new(&categorical(256));
        assert!(colours.is_shown(254) && !colours.is_shown(255));
        colours.show(255, true);
        assert!(!colours.is_shown(255));
    }

    #[test]
    fn hiding_a_class_keeps_its_colour_and_changes_no_copy() {
        let before = ClassColours::new(&voc());
        let mut after = before.clone();
        after.show(3, false);
        assert!(before.is_shown(3) && !after.is_shown(3) && before != after);
        assert_eq!(after.colour(3), before.colour(3));
        after.show(3, true);
        assert_eq!(before, after);
    }
}
