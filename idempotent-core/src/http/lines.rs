//! Header lines as bytes, and back: the part of a kept answer that HTTP and gRPC share.
//!
//! ```text
//! count    LEB128: header lines
//!    each  LEB128 length, name; LEB128 length, value
//! ```

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::Undecodable;

/// Appends all lines, those of one name in their order.
pub(crate) fn push_lines(out: &mut Vec<u8>, lines: &HeaderMap) {
    push_length(out, lines.len());
    for (name, value) in lines {
        push_bytes(out, name.as_str().as_bytes());
        push_bytes(out, value.as_bytes());
    }
}

/// Appends bytes behind their length.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn push_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Bytes that are being read from the front, and may be anything.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Undecodable> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Undecodable)?;
        self.0 = tail;
        Ok(head)
    }

    /// No length that counts has more than 28 bits.
    fn length(&mut self) -> Result<usize, Undecodable> {
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.take(1)?[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(Undecodable)
    }

    /// What [`push_bytes`] wrote.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], Undecodable> {
        let length = self.length()?;
        self.take(length)
    }

    /// What [`push_lines`] wrote.
    pub(crate) fn lines(&mut self) -> Result<HeaderMap, Undecodable> {
        let mut lines = HeaderMap::new();
        for _ in 0..self.length()? {
            let name = HeaderName::from_bytes(self.prefixed()?).map_err(|_| Undecodable)?;
            let value = HeaderValue::from_bytes(self.prefixed()?).map_err(|_| Undecodable)?;
            lines.try_append(name, value).map_err(|_| Undecodable)?;
        }
        Ok(lines)
    }

    /// All that was not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
