//! Memory that layers hand to each other.

/// Buffers that a forward pass is done with, for its later layers and for the next pass: fresh pages cost as much time
/// as writing them, and a big picture needs hundreds of megabytes of them.
#[derive(Debug, Default)]
pub struct Buffers(Vec<Vec<f32>>);

impl Buffers {
    /// `len` floats of any content. Takes the smallest spare buffer that fits without wasting half of it.
    pub(crate) fn take(&mut self, len: usize) -> Vec<f32> {
        let fits = |b: &Vec<f32>| b.len() >= len && b.len() / 2 <= len;
        let best = self.0.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.len()).map(|(i, _)| i);
        match best {
            Some(i) => {
                let mut buffer = self.0.swap_remove(i);
                buffer.truncate(len);
                buffer
            }
            None => vec![0.0; len],
        }
    }

    /// Gives a buffer back.
    pub(crate) fn give(&mut self, buffer: Vec<f32>) {
        self.0.push(buffer);
    }
}
