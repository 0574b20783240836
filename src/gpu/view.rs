//! Where the picture lies on the canvas: zoom, pan, and the way between picture pixels and screen pixels. Pure maths.
//!
//! Screen positions are *physical* pixels from the top left of the pane (egui points times `pixels_per_point`); picture
//! positions are picture pixels from its top left corner, so pixel (0, 0) covers 0..1.

/// The largest zoom: one picture pixel is a square of 64 screen pixels.
pub const MAX_ZOOM: f32 = 64.0;

/// Zooming out stops when the picture's longer side is this long on screen (px), or at half of "fit" if that is less.
const SMALLEST_SIDE: f32 = 64.0;

/// Which part of the picture is in the middle of the canvas, and how large.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct View {
    /// The picture position in the middle of the pane, in picture pixels.
    pub centre: [f32; 2],
    /// Physical screen pixels per picture pixel, greater than 0.
    pub zoom: f32,
}

impl View {
    /// The whole picture, as large as the pane allows (small pictures are enlarged, up to [`MAX_ZOOM`]).
    pub fn fit(picture: [u32; 2], pane: [f32; 2]) -> Self {
        let [w, h] = size(picture);
        let zoom = (pane[0].max(1.0) / w).min(pane[1].max(1.0) / h).min(MAX_ZOOM);
        Self { centre: [w / 2.0, h / 2.0], zoom }
    }

    /// One picture pixel on one screen pixel, the picture's middle in the middle of the pane.
    pub fn one_to_one(picture: [u32; 2]) -> Self {
        let [w, h] = size(picture);
        Self { centre: [w / 2.0, h / 2.0], zoom: 1.0 }
    }

    /// The smallest zoom this picture may be shown at in this pane.
    pub fn min_zoom(picture: [u32; 2], pane: [f32; 2]) -> f32 {
        let [w, h] = size(picture);
        (Self::fit(picture, pane).zoom * 0.5).min(SMALLEST_SIDE / w.max(h)).min(1.0)
    }

    /// Zoomed by `factor` (2 = twice as large) while the picture position under `cursor` (px) stays under it.
    ///
    /// The result is [`clamped`](Self::clamped), so at the very ends the position may give way.
    pub fn zoom_about(self, factor: f32, cursor: [f32; 2], picture: [u32; 2], pane: [f32; 2]) -> Self {
        self.zoom_to(self.zoom * factor, cursor, picture, pane)
    }

    /// Like [`zoom_about`](Self::zoom_about), to a zoom of `zoom` screen px per picture px.
    pub fn zoom_to(self, zoom: f32, cursor: [f32; 2], picture: [u32; 2], pane: [f32; 2]) -> Self {
        let old = self.clamped(picture, pane);
        let zoom = Self { zoom, ..old }.clamped(picture, pane).zoom;
        // The exact position, not the one snapped to whole screen pixels: else many small steps would drift.
        let centre = [0, 1].map(|i| {
            let from_middle = f64::from(cursor[i]) - f64::from(pane[i]) / 2.0;
            (f64::from(old.centre[i]) + from_middle / f64::from(old.zoom) - from_middle / f64::from(zoom)) as f32
        });
        Self { centre, zoom }.clamped(picture, pane)
    }

    /// The picture moved by `delta` screen pixels (positive: to the right and down), as when it is dragged.
    pub fn pan(self, delta: [f32; 2], picture: [u32; 2], pane: [f32; 2]) -> Self {
        let centre = [0, 1].map(|i| self.centre[i] - delta[i] / self.zoom);
        Self { centre, ..self }.clamped(picture, pane)
    }

    /// The nearest view in which the picture cannot be lost: the middle of the pane always lies on the picture, and the
    /// zoom between [`min_zoom`](Self::min_zoom) and [`MAX_ZOOM`]. A view that is no number becomes [`fit`](Self::fit).
    pub fn clamped(self, picture: [u32; 2], pane: [f32; 2]) -> Self {
        if !(self.zoom.is_finite() && self.zoom > 0.0 && self.centre.iter().all(|c| c.is_finite())) {
            return Self::fit(picture, pane);
        }
        let side = size(picture);
        Self {
            centre: [0, 1].map(|i| self.centre[i].clamp(0.0, side[i])),
            zoom: self.zoom.clamp(Self::min_zoom(picture, pane), MAX_ZOOM),
        }
    }

    /// Where the picture's top left corner lies in the pane, in whole screen pixels.
    ///
    /// Snapping to whole pixels keeps 1:1 free of blur and keeps a minified picture from shimmering while it is dragged.
    pub fn origin(self, pane: [f32; 2]) -> [f64; 2] {
        [0, 1].map(|i| (f64::from(pane[i]) / 2.0 - f64::from(self.centre[i]) * f64::from(self.zoom)).round())
    }

    /// The screen position (px in the pane) of a picture position, as drawn.
    pub fn picture_to_screen(self, position: [f32; 2], pane: [f32; 2]) -> [f32; 2] {
        let origin = self.origin(pane);
        [0, 1].map(|i| (origin[i] + f64::from(position[i]) * f64::from(self.zoom)) as f32)
    }

    /// The picture position under a screen position (px in the pane), as drawn; may lie outside the picture.
    pub fn screen_to_picture(self, position: [f32; 2], pane: [f32; 2]) -> [f32; 2] {
        let origin = self.origin(pane);
        [0, 1].map(|i| ((f64::from(position[i]) - origin[i]) / f64::from(self.zoom)) as f32)
    }

    /// The picture pixel under a screen position (px in the pane), if the picture is there.
    pub fn pixel_at(self, position: [f32; 2], picture: [u32; 2], pane: [f32; 2]) -> Option<[u32; 2]> {
        let p = self.screen_to_picture(position, pane);
        let inside = (0..2).all(|i| p[i] >= 0.0 && p[i] < picture[i] as f32);
        inside.then(|| p.map(|v| v as u32))
    }
}

/// The picture's size as numbers to divide by: an empty picture counts as one pixel.
fn size(picture: [u32; 2]) -> [f32; 2] {
    picture.map(|side| side.max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pane() -> impl Strategy<Value = [f32; 2]> {
        [1u32..4000, 1u32..3000].prop_map(|s| s.map(|v| v as f32))
    }

    #[test]
    fn fit_is_centred_and_whole() {
        let (picture, pane) = ([4000, 3000], [800.0, 700.0]);
        let view = View::fit(picture, pane);
        assert_eq!(view.zoom, 0.2);
        assert_eq!(view.picture_to_screen([0.0, 0.0], pane), [0.0, 50.0]);
        assert_eq!(view.picture_to_screen([4000.0, 3000.0], pane), [800.0, 650.0]);
    }

    #[test]
    fn one_to_one_lies_on_whole_pixels() {
        let origin = View::one_to_one([301, 201]).origin([800.0, 600.0]);
        assert_eq!(origin.map(f64::fract), [0.0, 0.0]);
    }

    #[test]
    fn a_broken_view_becomes_fit() {
        let (picture, pane) = ([40, 30], [800.0, 600.0]);
        for view in [
            View { centre: [f32::NAN, 0.0], zoom: 1.0 },
            View { centre: [0.0, 0.0], zoom: 0.0 },
            View { centre: [0.0, 0.0], zoom: f32::INFINITY },
        ] {
            assert_eq!(view.clamped(picture, pane), View::fit(picture, pane));
        }
        assert!(View::fit([0, 0], [0.0, 0.0]).zoom > 0.0);
    }

    #[test]
    fn the_pixel_under_the_cursor() {
        let (picture, pane) = ([10, 10], [100.0, 100.0]);
        let view = View::fit(picture, pane);
        assert_eq!(view.pixel_at([25.0, 99.0], picture, pane), Some([2, 9]));
        assert_eq!(view.pixel_at([100.0, 50.0], picture, pane), None);
    }

    proptest! {
        #[test]
        fn there_and_back(w in 1u32..60_000, h in 1u32..60_000, pane in pane(), x in 0.0f32..1.0, y in 0.0f32..1.0) {
            let picture = [w, h];
            let view = View::fit(picture, pane);
            let p = [x * w as f32, y * h as f32];
            let back = view.screen_to_picture(view.picture_to_screen(p, pane), pane);
            for i in 0..2 {
                prop_assert!((back[i] - p[i]).abs() * view.zoom < 1e-2);
            }
        }

        #[test]
        fn zooming_keeps_the_point_under_the_cursor(
            side in [1u32..20_000, 1u32..20_000], pane in pane(),
            at in prop::array::uniform2(0.0f32..1.0), cursor in prop::array::uniform2(0.0f32..1.0),
            zoom in 0.02f32..60.0, factor in 0.1f32..10.0,
        ) {
            let view = View { centre: [at[0] * side[0] as f32, at[1] * side[1] as f32], zoom }.clamped(side, pane);
            let cursor = [cursor[0] * pane[0], cursor[1] * pane[1]];
            let before = view.screen_to_picture(cursor, pane);
            let after = view.zoom_about(factor, cursor, side, pane);
            // Where the clamp had to hold the picture on the pane, the point may give way.
            let free = (0..2).all(|i| after.centre[i] > 0.0 && after.centre[i] < side[i] as f32);
            prop_assume!(free);
            let now = after.picture_to_screen(before, pane);
            for i in 0..2 {
                // Half a pixel of snapping on each side of the step, magnified by it where it enlarges, and f32.
                let slack = 0.51 + 0.5 * (after.zoom / view.zoom) + 1e-6 * side[i] as f32 * after.zoom;
                prop_assert!((now[i] - cursor[i]).abs() <= slack, "{now:?} {cursor:?}");
            }
        }

        #[test]
        fn the_picture_cannot_be_lost(
            side in [1u32..20_000, 1u32..20_000], pane in pane(),
            moves in prop::collection::vec((prop::array::uniform2(-1e6f32..1e6), 1e-3f32..1e3), 1..20),
        ) {
            let mut view = View::fit(side, pane);
            for (delta, factor) in moves {
                view = view.pan(delta, side, pane).zoom_about(factor, delta, side, pane);
                let middle = view.screen_to_picture([pane[0] / 2.0, pane[1] / 2.0], pane);
                for i in 0..2 {
                    let slack = 1.0 / view.zoom;
                    prop_assert!(middle[i] >= -slack && middle[i] <= side[i] as f32 + slack);
                }
                prop_assert!(view.zoom <= MAX_ZOOM && view.zoom >= View::min_zoom(side, pane));
            }
        }
    }
}
