//! A picture on the GPU: uploaded once, cut into tiles the adapter can hold, with mip levels for smooth minification.

use std::sync::atomic::{AtomicU64, Ordering};

use super::GpuError;
use super::pyramid::{Level, bytes};

/// Values as in the file, *not* `Rgba8UnormSrgb`: sampling must return sRGB-encoded values, for that is what is blended.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Halving goes on until the longer side is about this long; smaller than this no picture is shown.
const SMALLEST_LEVEL: u32 = 64;

/// Bytes handed to the queue at a time. wgpu holds a copy until the GPU has taken it, and running out of memory for
/// such a copy loses the device: so a large picture goes up band by band.
const BAND: usize = 32 << 20;

static UPLOADS: AtomicU64 = AtomicU64::new(0);

/// How large a picture may become on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// The longest side of one texture, in texels; larger pictures are cut into tiles.
    pub max_side: u32,
    /// The memory budget, in pixels; a larger picture is shown at half its scale (a quarter, an eighth ...).
    pub max_pixels: u64,
}

impl UploadLimits {
    /// The budget of [`PictureTexture::upload`]: 8192 x 8192 pixels, 358 MB with mip levels.
    pub const MAX_PIXELS: u64 = 8192 * 8192;

    /// The device's own texture limit and [`Self::MAX_PIXELS`].
    pub fn of(device: &wgpu::Device) -> Self {
        Self { max_side: device.limits().max_texture_dimension_2d, max_pixels: Self::MAX_PIXELS }
    }
}

/// A picture uploaded for drawing; immutable, so a new version of a picture is a new texture.
///
/// RGBA8, straight alpha, sRGB-encoded values. Cheap to share in an `Arc`; the GPU memory is freed when the last one
/// is dropped.
pub struct PictureTexture {
    size: [u32; 2],
    /// From fine to coarse: the picture itself and, if that needs more than one tile, one small enough not to.
    sheets: Vec<Sheet>,
}

impl std::fmt::Debug for PictureTexture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [w, h] = self.size;
        write!(f, "PictureTexture({w} x {h}, {} tiles)", self.tiles())
    }
}

/// Some consecutive mip levels of a picture, as a grid of equal tiles.
#[derive(Debug)]
pub(super) struct Sheet {
    plan: SheetPlan,
    tiles: Vec<wgpu::BindGroup>,
}

/// Where a sheet's tiles lie; texels are those of the sheet's first level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SheetPlan {
    /// The pyramid level that is this sheet's mip level 0: a texel covers `2^first` picture pixels.
    pub first: u32,
    /// Number of mip levels.
    pub levels: u32,
    /// From one tile to the next, in texels.
    pitch: [u32; 2],
    /// Texels each tile repeats of its neighbours: one at the coarsest level, so that filtering never sees an edge.
    apron: u32,
    /// Columns, rows.
    pub grid: [u32; 2],
}

impl SheetPlan {
    /// A texture thought of as a single texel: places in it are 0..=1, whatever its size.
    pub const UNIT: Self = Self { first: 0, levels: 1, pitch: [1; 2], apron: 0, grid: [1; 2] };

    fn tile_size(&self) -> [u32; 2] {
        self.pitch.map(|pitch| pitch + 2 * self.apron)
    }

    /// The texel at the top left of a tile's texture (negative where the apron reaches out of the picture).
    pub fn tile_origin(&self, tile: [u32; 2]) -> [i64; 2] {
        [0, 1].map(|i| i64::from(tile[i]) * i64::from(self.pitch[i]) - i64::from(self.apron))
    }

    /// Picture pixels from one tile to the next along an axis (0: x, 1: y).
    pub fn pitch_in_picture(&self, axis: usize) -> f64 {
        f64::from(self.pitch[axis]) * self.texel()
    }

    /// Picture pixels per texel.
    pub fn texel(&self) -> f64 {
        f64::from(1u32 << self.first)
    }

    fn bytes(&self) -> u64 {
        let tiles = u64::from(self.grid[0]) * u64::from(self.grid[1]);
        let tile = self.tile_size();
        tiles * (0..self.levels).map(|l| bytes(tile.map(|side| side >> l)) as u64).sum::<u64>()
    }
}

impl Sheet {
    pub fn plan(&self) -> &SheetPlan {
        &self.plan
    }

    /// The bind group (see [`tile_layout`]) of the tile in this column and row.
    pub fn tile(&self, [column, row]: [u32; 2]) -> Option<&wgpu::BindGroup> {
        self.tiles.get((row * self.plan.grid[0] + column) as usize)
    }
}

impl PictureTexture {
    /// Uploads a picture: `rgba` is RGBA8, interleaved, straight alpha, sRGB-encoded, `4 * width * height` bytes.
    ///
    /// May be called from any thread; it takes about as long as copying the picture twice, so not from the one that
    /// draws. A side beyond the adapter's limit is no error (tiles), nor is a picture beyond the budget of
    /// [`UploadLimits::MAX_PIXELS`] (shown scaled, see [`scale`](Self::scale)).
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the bytes do not fit the size, [`GpuError::OutOfMemory`], [`GpuError::Refused`].
    pub fn upload(device: &wgpu::Device, queue: &wgpu::Queue, size: [u32; 2], rgba: &[u8]) -> Result<Self, GpuError> {
        Self::upload_within(device, queue, size, rgba, UploadLimits::of(device))
    }

    /// Like [`upload`](Self::upload) within other limits, for instance a smaller budget after an out-of-memory error.
    ///
    /// # Errors
    /// As for [`upload`](Self::upload).
    pub fn upload_within(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        size: [u32; 2],
        rgba: &[u8],
        limits: UploadLimits,
    ) -> Result<Self, GpuError> {
        if size.contains(&0) || rgba.len() != bytes(size) {
            return Err(GpuError::Shape { size, bytes: rgba.len() });
        }
        count_upload();
        let plans = plan(size, limits);
        let needed = plans.iter().map(SheetPlan::bytes).sum();
        let layout = tile_layout(device);
        let sheets = guarded(device, needed, || {
            let textures: Vec<Vec<wgpu::Texture>> = plans.iter().map(|plan| create(device, plan)).collect();
            fill(queue, &plans, &textures, Level::first(size, rgba));
            let sheet = |(&plan, textures): (_, &Vec<_>)| Sheet {
                plan,
                tiles: textures.iter().map(|texture| bind(device, &layout, texture)).collect(),
            };
            plans.iter().zip(&textures).map(sheet).collect()
        })?;
        Ok(Self { size, sheets })
    }

    /// The picture's width and height in pixels (not those of what is stored, which may be scaled).
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// GPU memory taken, in bytes, mip levels and tiles' aprons included.
    pub fn bytes(&self) -> u64 {
        self.sheets.iter().map(|sheet| sheet.plan.bytes()).sum()
    }

    /// 1 if the picture is held at its full size, else 1/2, 1/4 ...: what the memory budget left of it.
    pub fn scale(&self) -> f32 {
        self.sheets.first().map_or(1.0, |sheet| 1.0 / sheet.plan.texel() as f32)
    }

    /// Number of textures the picture is cut into.
    pub fn tiles(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.tiles.len()).sum()
    }

    /// Uploads (of pictures and maps) begun by this process so far: moving a slider must leave it as it is.
    pub fn uploads() -> u64 {
        UPLOADS.load(Ordering::Relaxed)
    }

    /// Which sheet to sample at a level of detail (0 = picture pixels, 1 = half ...): the coarsest that is fine enough.
    pub(super) fn sheet_index(&self, lod: f32) -> usize {
        let fine_enough = |sheet: &Sheet| sheet.plan.first as f32 <= lod;
        self.sheets.iter().rposition(fine_enough).unwrap_or(0)
    }

    pub(super) fn sheet(&self, index: usize) -> Option<&Sheet> {
        self.sheets.get(index)
    }
}

pub(super) fn count_upload() {
    UPLOADS.fetch_add(1, Ordering::Relaxed);
}

/// One sheet if the picture fits into one texture, else a grid of tiles and an overview.
fn plan(size: [u32; 2], limits: UploadLimits) -> Vec<SheetPlan> {
    let max_side = limits.max_side.max(16);
    let at = |level: u32| size.map(|side| side.div_ceil(1 << level).max(1));
    let pixels = |level| at(level).map(u64::from).iter().product::<u64>();
    let fits = |level: u32| at(level).iter().all(|&side| side <= max_side);

    let mut first = (0..31).find(|&level| pixels(level) <= limits.max_pixels.max(1)).unwrap_or(31);
    loop {
        let overview = (first..31).find(|&level| fits(level)).unwrap_or(31);
        let single = single(overview, at(overview), max_side);
        if overview == first {
            return vec![single];
        }
        // The grid ends with the level the overview begins with, so that going from one to the other cannot be seen.
        let apron = 1 << (overview - first);
        let pitch = max_side / apron * apron;
        if pitch < 4 * apron {
            first += 1; // a limit absurdly small for this picture: nothing but aprons
            continue;
        }
        // Tiles of equal size, not a few full ones and a rest that is mostly empty.
        let largest = pitch - 2 * apron;
        let pitch = at(first).map(|side| side.div_ceil(side.div_ceil(largest)).next_multiple_of(apron));
        let grid = SheetPlan {
            first,
            levels: overview - first + 1,
            pitch,
            apron,
            grid: [0, 1].map(|i| at(first)[i].div_ceil(pitch[i])),
        };
        return vec![grid, single];
    }
}

/// A sheet of one tile. Its sides are rounded up so that each of its levels halves exactly.
fn single(first: u32, size: [u32; 2], max_side: u32) -> SheetPlan {
    let (longer, shorter) = (size[0].max(size[1]), size[0].min(size[1]));
    let wanted = longer.div_ceil(SMALLEST_LEVEL).next_power_of_two().ilog2();
    // Not beyond the shorter side: the rounding would swell a thin strip.
    let mut halvings = wanted.min(shorter.ilog2());
    while longer.next_multiple_of(1 << halvings) > max_side && halvings > 0 {
        halvings -= 1;
    }
    let pitch = size.map(|side| side.next_multiple_of(1 << halvings));
    SheetPlan { first, levels: halvings + 1, pitch, apron: 0, grid: [1, 1] }
}

fn create(device: &wgpu::Device, plan: &SheetPlan) -> Vec<wgpu::Texture> {
    let [width, height] = plan.tile_size();
    let texture = |_| {
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture tile"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: plan.levels,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        })
    };
    (0..plan.grid[0] * plan.grid[1]).map(texture).collect()
}

/// Walks down the pyramid once, writing every level into the sheets that hold it.
fn fill(queue: &wgpu::Queue, plans: &[SheetPlan], textures: &[Vec<wgpu::Texture>], mut level: Level<'_>) {
    let mut pending = 0;
    let last = plans.iter().map(|plan| plan.first + plan.levels - 1).max().unwrap_or(0);
    for number in 0..=last {
        for (plan, textures) in plans.iter().zip(textures) {
            if (plan.first..plan.first + plan.levels).contains(&number) {
                write_level(queue, plan, textures, &level, number - plan.first, &mut pending);
            }
        }
        if number < last {
            level = level.halved();
        }
    }
}

/// `pending` counts the bytes written since the queue was last told to go on.
fn write_level(
    queue: &wgpu::Queue,
    plan: &SheetPlan,
    textures: &[wgpu::Texture],
    level: &Level<'_>,
    mip: u32,
    pending: &mut usize,
) {
    let [width, height] = plan.tile_size().map(|side| side >> mip);
    let rows_at_once = (BAND / (width as usize * 4)).clamp(1, height as usize);
    for (index, texture) in textures.iter().enumerate() {
        let tile = [index as u32 % plan.grid[0], index as u32 / plan.grid[0]];
        // Exact: aprons and pitches are whole numbers of texels at every level.
        let [x, y] = plan.tile_origin(tile).map(|texel| texel >> mip);
        for top in (0..height).step_by(rows_at_once) {
            let rows = (height - top).min(rows_at_once as u32);
            queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    texture,
                    mip_level: mip,
                    origin: wgpu::Origin3d { x: 0, y: top, z: 0 },
                    aspect: wgpu::TextureAspect::All,
                },
                &level.cut([x, y + i64::from(top)], [width, rows]),
                wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(width * 4), rows_per_image: None },
                wgpu::Extent3d { width, height: rows, depth_or_array_layers: 1 },
            );
            *pending += bytes([width, rows]);
            if *pending >= BAND {
                queue.submit([]); // hands the band over, so that its copy can be freed
                *pending = 0;
            }
        }
    }
}

/// The layout of a tile's bind group. wgpu treats layouts with equal entries as one, so whoever needs it makes it.
pub(super) fn tile_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    texture_layout(device, wgpu::TextureSampleType::Float { filterable: true })
}

/// The layout of a bind group with one texture for the fragment stage.
pub(super) fn texture_layout(device: &wgpu::Device, sample_type: wgpu::TextureSampleType) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("texture"),
        entries: &[wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: wgpu::BindingType::Texture {
                multisampled: false,
                sample_type,
                view_dimension: wgpu::TextureViewDimension::D2,
            },
            count: None,
        }],
    })
}

pub(super) fn bind(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, texture: &wgpu::Texture) -> wgpu::BindGroup {
    let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("texture"),
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) }],
    })
}

/// Runs `work` and turns any wgpu error it causes into a [`GpuError`] instead of an uncaptured one.
pub(super) fn guarded<T>(device: &wgpu::Device, needed: u64, work: impl FnOnce() -> T) -> Result<T, GpuError> {
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let value = work();
    // On every native backend these futures are ready at once.
    let memory = pollster::block_on(memory.pop());
    let validation = pollster::block_on(validation.pop());
    let internal = pollster::block_on(internal.pop());
    // Out of memory first: the invalid texture it leaves causes validation errors too.
    match (memory, validation.or(internal)) {
        (Some(_), _) => Err(GpuError::OutOfMemory { needed }),
        (None, Some(error)) => Err(GpuError::refused(&error)),
        (None, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOMY: UploadLimits = UploadLimits { max_side: 8192, max_pixels: UploadLimits::MAX_PIXELS };

    #[test]
    fn a_picture_within_the_limit_is_one_texture() {
        let plans = plan([4000, 3000], ROOMY);
        assert_eq!(plans.len(), 1);
        assert_eq!((plans[0].first, plans[0].grid, plans[0].levels), (0, [1, 1], 7));
    }

    #[test]
    fn a_side_over_the_limit_is_tiled() {
        let plans = plan([20_000, 3000], ROOMY);
        assert_eq!((plans[0].first, plans[0].grid, plans[0].levels), (0, [3, 1], 3));
        assert_eq!((plans[1].first, plans[1].grid), (2, [1, 1]));
    }

    #[test]
    fn a_picture_over_the_budget_is_scaled() {
        assert_eq!(plan([12_000, 9_000], ROOMY)[0].first, 1);
        assert_eq!(plan([65_535, 3_000], ROOMY)[0].first, 1);
    }

    proptest! {
        #[test]
        fn plans_keep_to_the_limits_and_cover_the_picture(
            size in prop::array::uniform2(1u32..70_000),
            max_side in 16u32..20_000,
            max_pixels in 1u64..100_000_000,
        ) {
            let plans = plan(size, UploadLimits { max_side, max_pixels });
            for p in &plans {
                let step = 1 << (p.levels - 1);
                for (i, side) in size.into_iter().enumerate() {
                    prop_assert!(p.tile_size()[i] <= max_side);
                    prop_assert!(p.tile_size()[i] % step == 0 && p.apron % step == 0 && p.pitch[i] % step == 0);
                    prop_assert!(p.grid[i] * p.pitch[i] >= side.div_ceil(1 << p.first));
                    prop_assert!((p.grid[i] - 1) * p.pitch[i] < side.div_ceil(1 << p.first));
                }
            }
            let stored = size.map(|side| u64::from(side.div_ceil(1 << plans[0].first)));
            prop_assert!(stored[0] * stored[1] <= max_pixels || stored == [1, 1]);
        }
    }
}
