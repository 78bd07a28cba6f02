//! The data of a body's frames in one buffer, so that many small frames cost about as much as one.

use bytes::Bytes;

/// What was read of a body so far. One frame is kept as it is.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    first: Bytes,
    /// What was read in all, once there was a second frame.
    buffer: Vec<u8>,
    frames: usize,
    empty_frames: usize,
}

/// The smallest buffer, in bytes.
const SMALLEST: usize = 256;

/// A body that is known to be no larger gets a buffer of its size at once.
const SMALL: usize = 64 * 1024;

impl Gathered {
    /// How many bytes were read.
    pub(super) fn len(&self) -> usize {
        self.first.len().max(self.buffer.len())
    }

    /// How many frames were read, and how many of them were empty.
    pub(super) fn frames(&self) -> (usize, usize) {
        (self.frames, self.empty_frames)
    }

    /// How large the buffer will be with so much more, if `rest` is what the body says will follow.
    pub(super) fn capacity_with(&self, more: usize, rest: Option<u64>) -> usize {
        let needed = self.len() + more;
        if self.len() == 0 || more == 0 || needed <= self.buffer.capacity() {
            return needed.max(self.buffer.capacity());
        }
        let whole = rest.and_then(|rest| usize::try_from(rest).ok()?.checked_add(needed));
        match whole {
            Some(whole) if whole <= SMALL => whole,
            Some(whole) => (2 * needed).min(whole),
            None => (2 * needed).max(SMALLEST),
        }
    }

    /// Adds the data of a frame, in a buffer of this capacity.
    pub(super) fn push(&mut self, data: Bytes, capacity: usize) {
        self.frames += 1;
        if data.is_empty() {
            self.empty_frames += 1;
        } else if self.len() == 0 {
            self.first = data;
        } else {
            self.buffer.reserve_exact(capacity.saturating_sub(self.buffer.len()));
            if self.buffer.is_empty() {
                self.buffer.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.buffer.extend_from_slice(&data);
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self.buffer.is_empty() {
            true => self.first,
            false => self.buffer.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(pieces: &[&'static str], rest: Option<u64>) -> Gathered {
        let mut gathered = Gathered::default();
        for piece in pieces {
            let capacity = gathered.capacity_with(piece.len(), rest);
            gathered.push(Bytes::from_static(piece.as_bytes()), capacity);
        }
        gathered
    }

    #[test]
    fn all_frames_are_one_body() {
        for pieces in [&[][..], &[""], &["", "a"], &["one", "", "two"], &["a", "b", "c", "d"]] {
            assert_eq!(gathered(pieces, None).into_bytes(), pieces.concat());
        }
        let frame = Bytes::from_static(b"a whole body");
        let mut one = Gathered::default();
        one.push(frame.clone(), 12);
        assert_eq!(one.into_bytes().as_ptr(), frame.as_ptr(), "one frame is not copied");
    }

    #[test]
    fn frames_of_one_byte_cost_about_as_much_as_their_bytes() {
        let mut gathered = Gathered::default();
        for _ in 0..100_000 {
            let capacity = gathered.capacity_with(1, None);
            assert!(capacity <= 2 * (gathered.len() + 1) + SMALLEST);
            gathered.push(Bytes::from_static(b"x"), capacity);
            assert!(gathered.buffer.capacity() <= capacity);
        }
        assert_eq!((gathered.len(), gathered.frames()), (100_000, (100_000, 0)));
    }

    #[test]
    fn a_body_of_known_length_gets_no_larger_buffer() {
        let known = gathered(&["0123456789", "0123456789"], Some(10));
        assert_eq!(known.buffer.capacity(), 30);
    }
}
