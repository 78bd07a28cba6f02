//! Length-prefixed bytes and headers: the framing that stored HTTP and gRPC responses share.
//!
//! ```text
//! count    LEB128: header lines
//!    each  LEB128 length, name; LEB128 length, value
//! ```

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::call::InvalidBytes;

/// Appends all header lines. Lines with the same name keep their order.
pub(crate) fn push_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    push_length(out, headers.len());
    for (name, value) in headers {
        push_bytes(out, name.as_str().as_bytes());
        push_bytes(out, value.as_bytes());
    }
}

/// Appends the length of `bytes`, then `bytes`.
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

/// How many bytes [`push_bytes`] appends for so many.
pub(crate) const fn framed_len(length: usize) -> usize {
    length_len(length) + length
}

/// How many bytes [`push_length`] appends.
pub(crate) const fn length_len(mut length: usize) -> usize {
    let mut bytes = 1;
    while length >= 0x80 {
        length >>= 7;
        bytes += 1;
    }
    bytes
}

/// Reads untrusted bytes from front to back.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], InvalidBytes> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(InvalidBytes)?;
        self.0 = tail;
        Ok(head)
    }

    /// Valid lengths have at most 28 bits.
    fn length(&mut self) -> Result<usize, InvalidBytes> {
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.take(1)?[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(InvalidBytes)
    }

    /// Reads what [`push_bytes`] wrote.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], InvalidBytes> {
        let length = self.length()?;
        self.take(length)
    }

    /// Reads what [`push_headers`] wrote.
    pub(crate) fn headers(&mut self) -> Result<HeaderMap, InvalidBytes> {
        let mut headers = HeaderMap::new();
        for _ in 0..self.length()? {
            let name = HeaderName::from_bytes(self.bytes()?).map_err(|_| InvalidBytes)?;
            let value = HeaderValue::from_bytes(self.bytes()?).map_err(|_| InvalidBytes)?;
            headers.try_append(name, value).map_err(|_| InvalidBytes)?;
        }
        Ok(headers)
    }

    /// Everything that has not been read.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
