//! The bytes of a request's head: what is pushed in another order, or cut in other places, is never the same.

use http::header::{HeaderMap, HeaderName};

use crate::http::framing::push_bytes;

/// Length-prefixed parts. Where there is a list of them, an empty list ends it, which no part looks like.
pub(super) struct HeadBytes(pub(super) Vec<u8>);

impl HeadBytes {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.push(1);
        push_bytes(&mut self.0, bytes);
    }

    /// A part whose first `letters` bytes are the same in either case.
    pub(super) fn push_lower(&mut self, bytes: &[u8], letters: usize) {
        self.push(bytes);
        let start = self.0.len() - bytes.len();
        self.0[start..start + letters].make_ascii_lowercase();
    }

    /// Ends a list of parts.
    pub(super) fn end_list(&mut self) {
        self.0.push(0);
    }

    /// All lines of a header, byte for byte.
    pub(super) fn push_lines(&mut self, headers: &HeaderMap, name: &HeaderName) {
        for line in headers.get_all(name) {
            self.push(line.as_bytes());
        }
        self.end_list();
    }
}
