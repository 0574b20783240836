//! Numbers for NumPy and everything that reads its files.

use super::ImagingError;

/// An array of `f32` as an NPY file, version 1.0 of the format
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>); the last axis varies fastest.
///
/// # Errors
/// [`ImagingError::Encode`] if the shape does not hold so many values.
pub fn encode_npy(shape: &[usize], values: &[f32]) -> Result<Vec<u8>, ImagingError> {
    let refused = |reason: String| ImagingError::Encode { format: "NPY", reason };
    if shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side)) != Some(values.len()) {
        return Err(refused(format!("{} values do not fill an array of {shape:?}", values.len())));
    }
    /// What the values have to begin at a multiple of.
    const ALIGNMENT: usize = 64;
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    // A tuple as Python writes it: of one there is a comma too.
    let mut sides = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        sides.push(',');
    }
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides}), }}");
    let before = MAGIC.len() + 2;
    // Spaces, and a line's end.
    let whole = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.push_str(&" ".repeat(whole - before - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| refused(format!("{} axes are too many", shape.len())))?;
    let mut file = Vec::with_capacity(whole + values.len() * 4);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    Ok(file)
}
