//! Camera data: EXIF, kept as the file has it but for its orientation and its thumbnail.

use image::metadata::Orientation;

/// What JPEG and some WebP files put before the chunk.
const PREFIX: &[u8] = b"Exif\0\0";

/// More is not camera data, and would be carried into every result.
const MOST: usize = 16 << 20;

/// The EXIF chunk of a file without what some put before it.
pub(super) fn bare(mut chunk: Vec<u8>) -> Vec<u8> {
    if chunk.starts_with(PREFIX) {
        chunk.drain(..PREFIX.len());
    }
    chunk
}

/// The [`bare`] EXIF chunk of a file, a TIFF structure (CIPA DC-008), as it may stand beside a picture that was turned upright
/// and then changed: not to be turned again, and without the JPEG thumbnail, which would go on showing the picture as it was.
/// `None` for what is no EXIF.
pub(super) fn kept(chunk: Vec<u8>) -> Option<Vec<u8>> {
    let mut tiff = Tiff::new(chunk).filter(|tiff| tiff.bytes.len() <= MOST)?;
    tiff.remove_thumbnail();
    let _ = Orientation::remove_from_exif_chunk(&mut tiff.bytes);
    Some(tiff.bytes)
}

struct Tiff {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Tiff {
    /// Tag of the place of a thumbnail that is a JPEG.
    const PLACE: u16 = 0x0201;
    /// Tag of how many bytes it has.
    const LENGTH: u16 = 0x0202;

    fn new(bytes: Vec<u8>) -> Option<Tiff> {
        let big_endian = match bytes.get(..4)? {
            b"II*\0" => false,
            b"MM\0*" => true,
            _ => return None,
        };
        Some(Tiff { bytes, big_endian })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize)
    }

    /// Ends the list of directories after the first, and blanks what the second one has of a JPEG. Where its place cannot be
    /// true, behind the first directory and within the chunk, nothing else must suffer for that.
    fn remove_thumbnail(&mut self) -> Option<()> {
        let first = self.long(4)?;
        let next = first.checked_add(2 + 12 * usize::from(self.short(first)?))?;
        let second = self.long(next).filter(|at| *at > 0)?;
        let entries = (0..usize::from(self.short(second).unwrap_or(0))).map(|i| second + 2 + 12 * i);
        let value = |tag| entries.clone().find(|at| self.short(*at) == Some(tag)).and_then(|at| self.long(at + 8));
        let thumbnail = value(Self::PLACE).zip(value(Self::LENGTH));
        self.bytes.get_mut(next..next + 4)?.fill(0);
        let (from, length) = thumbnail?;
        let to = from.saturating_add(length);
        let jpeg = from >= next + 4 && self.bytes.get(from..to)?.starts_with(b"\xff\xd8");
        self.bytes.get_mut(from..to).filter(|_| jpeg)?.fill(0);
        // Where it ends the chunk, as it mostly does, nothing needs its room.
        if to == self.bytes.len() {
            self.bytes.truncate(from);
        }
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Turned, by a maker of that name, with a thumbnail of those bytes.
    fn chunk(big_endian: bool) -> Vec<u8> {
        let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut out: Vec<u8> = if big_endian { b"MM\0*" } else { b"II*\0" }.to_vec();
        out.extend(long(8));
        out.extend(short(2));
        out.extend([&short(0x010f)[..], &short(2), &long(4), b"Len\0"].concat());
        out.extend([&short(0x0112)[..], &short(3), &long(1), &short(6), &short(0)].concat());
        out.extend(long(38));
        out.extend(short(2));
        out.extend([&short(0x0201)[..], &short(4), &long(1), &long(68)].concat());
        out.extend([&short(0x0202)[..], &short(4), &long(1), &long(5)].concat());
        out.extend(long(0));
        out.extend(b"\xff\xd8mb!");
        out
    }

    #[test]
    fn what_is_untrue_of_the_new_picture_goes_and_the_rest_stays() {
        for big_endian in [false, true] {
            let before = chunk(big_endian);
            for prefix in [&b""[..], PREFIX] {
                let after = kept(bare([prefix, &before].concat())).unwrap();
                assert_eq!(after.len(), before.len() - 5, "the thumbnail");
                assert_eq!(Orientation::from_exif_chunk(&before), Some(Orientation::Rotate90));
                assert_eq!(Orientation::from_exif_chunk(&after), Some(Orientation::NoTransforms));
                assert!(after.windows(4).any(|part| part == b"Len\0"));
                assert_eq!(kept(after.clone()).unwrap(), after, "nothing is left to be done");
            }
        }
        assert_eq!(kept(b"no EXIF".to_vec()), None);
    }

    proptest! {
        #[test]
        fn broken_chunks_are_no_harm(big_endian: bool, at in 0usize..73, byte: u8, cut in 0usize..74) {
            let mut bytes = chunk(big_endian);
            bytes[at] = byte;
            bytes.truncate(cut);
            let long = bytes.len();
            let Some(after) = kept(bytes) else { return Ok(()) };
            prop_assert!(after.len() <= long && Tiff::new(after.clone()).is_some());
            // Whatever the second directory says, the maker's name is no thumbnail.
            if at >= 38 {
                prop_assert!(cut < 22 || after[18..22] == *b"Len\0");
                prop_assert_eq!(kept(after.clone()), Some(after));
            }
        }
    }
}
