//! [`InlineBytes`]: bytes that are built from pieces, and seldom many.

/// Bytes that grow, of which the first `N` need no allocation. Unlike a general small vector, it only appends
/// slices, which so takes half as long: each call builds two or three of these.
#[derive(Clone)]
pub(crate) struct InlineBytes<const N: usize> {
    short: [u8; N],
    length: usize,
    /// All bytes, once there are more than `N`.
    long: Vec<u8>,
}

impl<const N: usize> InlineBytes<N> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { short: [0; N], length: 0, long: Vec::new() }
    }

    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        match self.short.get_mut(self.length..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            _ => self.extend_long(bytes),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        match self.short.get_mut(self.length) {
            Some(room) if self.long.is_empty() => {
                *room = byte;
                self.length += 1;
            }
            _ => self.extend_long(&[byte]),
        }
    }

    /// Appends bytes, prefixed with their length as LEB128.
    #[inline]
    pub(crate) fn push_prefixed(&mut self, bytes: &[u8]) {
        let mut length = bytes.len();
        while length >= 0x80 {
            self.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.push(length as u8);
        self.extend(bytes);
    }

    #[cold]
    fn extend_long(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.reserve(2 * (self.length + bytes.len()));
            self.long.extend_from_slice(&self.short[..self.length]);
        }
        self.long.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.long.is_empty() { &self.short[..self.length] } else { &self.long }
    }
}

impl<const N: usize> Default for InlineBytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_there_however_they_came() {
        for pieces in [&[][..], &[8], &[3, 5], &[3, 6, 1], &[9], &[0, 8, 0, 1], &[4, 4, 4, 200]] {
            let (mut bytes, mut expected) = (InlineBytes::<8>::new(), Vec::new());
            for (value, &length) in (1..).zip(pieces) {
                bytes.extend(&vec![value; length]);
                bytes.push(0);
                expected.extend(vec![value; length]);
                expected.push(0);
            }
            assert_eq!(bytes.as_slice(), expected, "{pieces:?}");
            assert_eq!(bytes.clone().as_slice(), expected);
        }
    }
}
