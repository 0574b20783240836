//! Memory that layers hand to each other.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory that layers are done with, for later layers and for the next pass: fresh pages cost as much time as writing
/// them, and a big picture needs hundreds of megabytes of them. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<f32>>>>);

impl Pool {
    /// `len` floats of any content: the smallest spare buffer that is large enough, else a new one in place of the largest
    /// that is not. So there are never more buffers than a network holds at once, and after one pass none is new.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ascending, so the first that is large enough is the smallest.
        let at = spare.partition_point(|b| b.len() < len);
        let data = if at < spare.len() {
            spare.remove(at)
        } else {
            drop(spare.pop());
            vec![0.0; len]
        };
        Buffer { data, len, pool: self.clone() }
    }
}

/// Floats that go back to their pool when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// At least `len`, for it keeps what it was made with: to fill the rest anew each time would take longer than some layers.
    data: Vec<f32>,
    len: usize,
    pool: Pool,
}

impl Buffer {
    /// The floats themselves, lost to the pool (or copied, where the buffer is far larger).
    pub(crate) fn into_vec(mut self) -> Vec<f32> {
        if self.data.len() > 2 * self.len {
            return self.to_vec(); // a small result must not take a large buffer away
        }
        let mut data = std::mem::take(&mut self.data);
        data.truncate(self.len);
        data
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        if !data.is_empty() {
            let mut spare = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = spare.partition_point(|b| b.len() < data.len());
            spare.insert(at, data);
        }
    }
}
