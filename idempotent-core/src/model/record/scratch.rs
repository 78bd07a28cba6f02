//! [`Scratch`]: the buffer in which a thread builds a record or a step's entry, whose length is known only at the end.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use super::envelope::RecordBytes;

/// What is allocated at first, in bytes: most records need no more.
const USUAL: usize = 512;

/// A larger buffer is not worth keeping for a record that needs one so seldom. In bytes.
const LARGEST_KEPT: usize = 8 * 1024;

thread_local! {
    static IDLE: Cell<RecordBytes> = const { Cell::new(RecordBytes::new()) };
}

/// An empty buffer, which goes back to its thread when this is dropped. A record that is built while
/// another one is gets a buffer of its own.
pub(in crate::model) struct Scratch(RecordBytes);

impl Scratch {
    pub(in crate::model) fn take() -> Self {
        let mut bytes = IDLE.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        if bytes.capacity() == 0 {
            bytes.reserve_exact(USUAL);
        }
        Self(bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.capacity() <= LARGEST_KEPT {
            let bytes = std::mem::take(&mut self.0);
            // A thread that is ending has no use for it.
            let _ = IDLE.try_with(|idle| idle.set(bytes));
        }
    }
}

impl Deref for Scratch {
    type Target = RecordBytes;

    fn deref(&self) -> &RecordBytes {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut RecordBytes {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_empty_whatever_it_held_and_large_ones_are_not_kept() {
        Scratch::take().extend_from_slice(b"a secret");
        assert!(Scratch::take().is_empty());
        Scratch::take().extend_from_slice(&[7; LARGEST_KEPT + 1]);
        assert_eq!(Scratch::take().capacity(), USUAL);
    }

    #[test]
    fn two_at_once_are_two() {
        let mut outer = Scratch::take();
        outer.push(1);
        Scratch::take().push(2);
        assert_eq!(**outer, [1]);
    }
}
