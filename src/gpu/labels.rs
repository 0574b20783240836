//! What a segmentation gives, on the GPU: label maps and scalar maps, uploaded once per result.

use std::borrow::Cow;

use rayon::prelude::*;

use super::GpuError;
use super::texture::{bind, count_upload, guarded, texture_layout, tile_layout};

/// A longer side is stored with fewer texels: no screen shows more, and no device holds less.
const MAX_SIDE: u32 = 4096;

/// A label map uploaded for drawing; immutable. Cheap to share in an `Arc`.
///
/// A texel holds a label and, so that the shader need not look around everywhere, how far around it all labels are the
/// same (`clearance`).
pub struct LabelTexture {
    size: [u32; 2],
    stored: [u32; 2],
    group: wgpu::BindGroup,
}

/// A map of numbers (a class's probability, entropy) uploaded for drawing; immutable. Cheap to share in an `Arc`.
///
/// 16 bit floats, sampled linearly, with mip levels.
pub struct ScalarTexture {
    size: [u32; 2],
    stored: [u32; 2],
    levels: u32,
    group: wgpu::BindGroup,
}

impl std::fmt::Debug for LabelTexture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LabelTexture({} x {})", self.size[0], self.size[1])
    }
}

impl std::fmt::Debug for ScalarTexture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScalarTexture({} x {})", self.size[0], self.size[1])
    }
}

impl LabelTexture {
    /// Uploads `width * height` class ids, row by row from the top; [`NO_LABEL`](super::overlay::NO_LABEL) is none.
    ///
    /// A side beyond 4096 (or the adapter's limit) is no error: of such a map the nearest labels are kept. May be called
    /// from any thread, and not from the one that draws: it takes some 10 ms per million labels.
    ///
    /// # Errors
    /// [`GpuError::MapShape`] if the labels do not fit the size, [`GpuError::OutOfMemory`], [`GpuError::Refused`].
    pub fn upload(device: &wgpu::Device, queue: &wgpu::Queue, size: [u32; 2], labels: &[u8]) -> Result<Self, GpuError> {
        check(size, labels.len())?;
        let stored = stored(device, size);
        let labels = nearest(size, labels, stored);
        let texels: Vec<u8> =
            labels.iter().zip(clearance(stored, &labels)).flat_map(|(&label, clear)| [label, clear]).collect();
        let texture = upload(device, queue, stored, wgpu::TextureFormat::Rg8Uint, &[texels])?;
        Ok(Self { size, stored, group: bind(device, &label_layout(device), &texture) })
    }

    /// Width and height of the map as it came, in labels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// GPU memory taken, in bytes.
    pub fn bytes(&self) -> u64 {
        2 * pixels(self.stored)
    }

    /// The bind group; see [`label_layout`].
    pub(super) fn group(&self) -> &wgpu::BindGroup {
        &self.group
    }
}

impl ScalarTexture {
    /// Uploads `width * height` values, row by row from the top; what is no finite number becomes 0.
    ///
    /// A side beyond 4096 (or the adapter's limit) is no error: such a map is averaged. May be called from any thread,
    /// and not from the one that draws.
    ///
    /// # Errors
    /// [`GpuError::MapShape`] if the values do not fit the size, [`GpuError::OutOfMemory`], [`GpuError::Refused`].
    pub fn upload(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        size: [u32; 2],
        values: &[f32],
    ) -> Result<Self, GpuError> {
        check(size, values.len())?;
        let stored = stored(device, size);
        let mut level = Cow::Borrowed(values);
        let mut side = size;
        if stored != size {
            (level, side) = (Cow::Owned(averaged(size, values, stored)), stored);
        }
        let mut levels = vec![halves(&level)];
        while side != [1, 1] {
            // The sizes that the levels of a texture have.
            let next = side.map(|side| (side / 2).max(1));
            (level, side) = (Cow::Owned(averaged(side, &level, next)), next);
            levels.push(halves(&level));
        }
        let texture = upload(device, queue, stored, wgpu::TextureFormat::R16Float, &levels)?;
        let group = bind(device, &tile_layout(device), &texture);
        Ok(Self { size, stored, levels: levels.len() as u32, group })
    }

    /// Width and height of the map as it came.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// The mip level for a level of detail: 0 where a texel is a screen pixel, 1 where two are ... `size` is that of the
    /// original, seen at `zoom`.
    pub(super) fn mip(&self, size: [u32; 2], zoom: f64) -> f32 {
        let ratio = |i: usize| f64::from(self.stored[i]) / f64::from(size[i]);
        ((ratio(0).max(ratio(1)) / zoom).log2() as f32).clamp(0.0, (self.levels - 1) as f32)
    }

    /// GPU memory taken, in bytes, mip levels included.
    pub fn bytes(&self) -> u64 {
        (0..self.levels).map(|level| 2 * pixels(self.stored.map(|side| (side >> level).max(1)))).sum()
    }

    /// The bind group; its layout is that of a picture's tile.
    pub(super) fn group(&self) -> &wgpu::BindGroup {
        &self.group
    }
}

/// The layout of a label map's bind group. wgpu treats layouts with equal entries as one, so whoever needs it makes it.
pub(super) fn label_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    texture_layout(device, wgpu::TextureSampleType::Uint)
}

fn pixels(size: [u32; 2]) -> u64 {
    u64::from(size[0]) * u64::from(size[1])
}

fn check(size: [u32; 2], values: usize) -> Result<(), GpuError> {
    if pixels(size) == 0 || pixels(size) != values as u64 {
        return Err(GpuError::MapShape { size, values });
    }
    Ok(())
}

fn stored(device: &wgpu::Device, size: [u32; 2]) -> [u32; 2] {
    size.map(|side| side.min(MAX_SIDE).min(device.limits().max_texture_dimension_2d))
}

/// The map with as many columns and rows as `stored` says, each texel the label at its middle.
fn nearest(size: [u32; 2], labels: &[u8], stored: [u32; 2]) -> Cow<'_, [u8]> {
    if size == stored {
        return Cow::Borrowed(labels);
    }
    let from = |to: u32, axis: usize| {
        ((2 * u64::from(to) + 1) * u64::from(size[axis]) / (2 * u64::from(stored[axis]))) as usize
    };
    let columns: Vec<usize> = (0..stored[0]).map(|x| from(x, 0)).collect();
    let row = |y| {
        let row = &labels[from(y, 1) * size[0] as usize..][..size[0] as usize];
        columns.iter().map(|&x| row[x])
    };
    Cow::Owned((0..stored[1]).flat_map(row).collect())
}

/// For every label the largest `n`, up to 255, such that all labels at most `n` columns and `n` rows away are the same.
/// What lies beyond the map does not count.
pub(super) fn clearance(size: [u32; 2], labels: &[u8]) -> Vec<u8> {
    let (w, h) = (size[0] as usize, size[1] as usize);
    let row = |y: usize| &labels[y * w..][..w];
    // 0 beside another label, and from there one more with every step (Rosenfeld and Pfaltz 1968, for the chessboard
    // distance, exact in two passes).
    let mut clear = vec![255u8; w * h];
    clear.par_chunks_exact_mut(w).enumerate().for_each(|(y, out)| {
        let own = row(y);
        for other in [row(y.saturating_sub(1)), own, row((y + 1).min(h - 1))] {
            for x in 0..w {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(w - 1));
                if other[left] != own[x] || other[x] != own[x] || other[right] != own[x] {
                    out[x] = 0;
                }
            }
        }
    });
    for y in 0..h {
        let (before, from) = clear.split_at_mut(y * w);
        spread(&mut from[..w], before.len().checked_sub(w).map(|start| &before[start..]), false);
    }
    for y in (0..h).rev() {
        let (until, after) = clear.split_at_mut((y + 1) * w);
        spread(&mut until[y * w..], after.get(..w), true);
    }
    clear
}

/// One row of a pass of the distance transform: from the row before it (its `neighbour`), then along itself.
fn spread(row: &mut [u8], neighbour: Option<&[u8]>, backwards: bool) {
    let w = row.len();
    if let Some(neighbour) = neighbour {
        for x in 0..w {
            let least = neighbour[x].min(neighbour[x.saturating_sub(1)]).min(neighbour[(x + 1).min(w - 1)]);
            row[x] = row[x].min(least.saturating_add(1));
        }
    }
    let mut last = 255u8;
    let mut step = |v: &mut u8| {
        *v = (*v).min(last.saturating_add(1));
        last = *v;
    };
    if backwards { row.iter_mut().rev().for_each(&mut step) } else { row.iter_mut().for_each(&mut step) }
}

/// The map at a smaller size, every texel the mean of what it covers.
fn averaged(size: [u32; 2], values: &[f32], to: [u32; 2]) -> Vec<f32> {
    let finite = |v: f32| if v.is_finite() { v } else { 0.0 };
    // Along one axis: the pixels a texel covers, and how much of each.
    let cover = |axis: usize| -> Vec<Vec<(usize, f32)>> {
        let width = f64::from(size[axis]) / f64::from(to[axis]);
        let texel = |i: u32| {
            let (from, until) = (f64::from(i) * width, f64::from(i + 1) * width);
            let part = |p: u32| ((f64::from(p) + 1.0).min(until) - f64::from(p).max(from)).max(0.0) / width;
            (from as u32..(until.ceil() as u32).min(size[axis])).map(|p| (p as usize, part(p) as f32)).collect()
        };
        (0..to[axis]).map(texel).collect()
    };
    let (columns, rows) = (cover(0), cover(1));
    let mut out = vec![0.0; to[0] as usize * to[1] as usize];
    out.par_chunks_exact_mut(to[0] as usize).zip(&rows).for_each(|(out, rows)| {
        for &(y, part) in rows {
            let row = &values[y * size[0] as usize..][..size[0] as usize];
            for (out, columns) in out.iter_mut().zip(&columns) {
                *out += part * columns.iter().map(|&(x, part)| part * finite(row[x])).sum::<f32>();
            }
        }
    });
    out
}

/// As 16 bit floats, in the GPU's byte order.
fn halves(values: &[f32]) -> Vec<u8> {
    let half = |&v: &f32| {
        let v = if v.is_finite() { v.clamp(-65_504.0, 65_504.0) } else { 0.0 };
        half::f16::from_f32(v).to_le_bytes()
    };
    values.iter().flat_map(half).collect()
}

fn upload(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
    levels: &[Vec<u8>],
) -> Result<wgpu::Texture, GpuError> {
    count_upload();
    guarded(device, levels.iter().map(|level| level.len() as u64).sum(), || {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("map"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: levels.len() as u32,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        for (mip_level, level) in levels.iter().enumerate() {
            let [width, height] = [width, height].map(|side| (side >> mip_level).max(1));
            let mut target = texture.as_image_copy();
            target.mip_level = mip_level as u32;
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(2 * width), // both formats have two bytes
                rows_per_image: None,
            };
            let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
            queue.write_texture(target, level, layout, size);
        }
        texture
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nearest_labels_are_those_at_the_middles() {
        assert_eq!(*nearest([6, 1], &[0, 1, 2, 3, 4, 5], [2, 1]), [1, 4]);
        assert_eq!(*nearest([1, 5], &[0, 1, 2, 3, 4], [1, 3]), [0, 2, 4]);
        assert!(matches!(nearest([2, 1], &[7, 8], [2, 1]), Cow::Borrowed([7, 8])));
    }

    #[test]
    fn a_uniform_map_is_clear_as_far_as_a_byte_goes() {
        assert!(clearance([300, 3], &[4; 900]).iter().all(|&clear| clear == 255));
        assert_eq!(clearance([1, 1], &[0]), [255]);
        let long: Vec<u8> = (0..600).map(|x| u8::from(x == 0)).collect();
        let clear = clearance([600, 1], &long);
        assert_eq!((clear[0], clear[1], clear[2], clear[255], clear[256], clear[599]), (0, 0, 1, 254, 255, 255));
    }

    #[test]
    fn means_weigh_what_they_cover() {
        assert_eq!(averaged([3, 1], &[0.0, 3.0, 6.0], [2, 1]), [1.0, 5.0]);
        assert_eq!(averaged([2, 2], &[1.0, 2.0, f32::NAN, 5.0], [1, 1]), [2.0]);
        assert_eq!(averaged([1, 3], &[1.0, 1.0, 1.0], [1, 1]), [1.0]);
    }

    proptest! {
        #[test]
        fn clearance_is_the_largest_square_of_one_label(
            (w, h, labels) in (1usize..14, 1usize..14).prop_flat_map(|(w, h)| {
                // Mostly one label, so that there is something to measure.
                (Just(w), Just(h), prop::collection::vec((0u8..20).prop_map(|v| v / 19), w * h))
            })
        ) {
            let clear = clearance([w as u32, h as u32], &labels);
            for (i, &clear) in clear.iter().enumerate() {
                let (x, y) = (i % w, i / w);
                let alike = |n: usize| {
                    let near = |p: usize, side: usize| p.saturating_sub(n)..(p + n + 1).min(side);
                    near(y, h).all(|ny| near(x, w).all(|nx| labels[ny * w + nx] == labels[i]))
                };
                let expected = (0..=255).take_while(|&n| alike(n)).last();
                prop_assert_eq!(Some(usize::from(clear)), expected, "at {}, {}", x, y);
            }
        }
    }
}
