//! [`KeyParts`]: a key as bytes, each part prefixed with its length.

use std::borrow::Cow;
use std::fmt;

use super::inline_bytes::InlineBytes;

/// The parts of a key, as [`Key::write`](super::Key::write) appends them. Each part is stored with
/// its length, so different parts never form the same key.
#[derive(Clone, Default)]
pub struct KeyParts {
    /// Each part, prefixed with its length.
    encoded: InlineBytes<64>,
    bytes: usize,
    problem: Option<KeyProblem>,
}

/// Why a key is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyProblem {
    Missing,
    Empty,
    /// Somebody else could guess it, where knowing a key is enough to get its result.
    Guessable,
    /// It is made of a payload that serde cannot write.
    Unserializable,
}

impl KeyParts {
    /// Returns the parts if they form a valid key.
    pub(super) fn checked(self) -> Result<Self, KeyProblem> {
        match self.problem {
            Some(problem) => Err(problem),
            None if self.encoded().is_empty() => Err(KeyProblem::Empty),
            None => Ok(self),
        }
    }

    /// Appends one part. An empty part makes the whole key
    /// [invalid](crate::ErrorKind::InvalidKey).
    pub fn push(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        if part.is_empty() {
            self.fail(KeyProblem::Empty);
        }
        self.bytes += part.len();
        self.encoded.push_prefixed(part);
    }

    /// Appends one part: the text of its `Display`.
    pub fn push_display(&mut self, part: impl fmt::Display) {
        let mut text = Text(InlineBytes::new());
        match fmt::write(&mut text, format_args!("{part}")) {
            Ok(()) => self.push(text.0.as_slice()),
            Err(fmt::Error) => self.fail(KeyProblem::Empty),
        }
    }

    /// Appends the digest of a payload. No other key has such a part: an empty one precedes it, which
    /// [`push`](Self::push) refuses.
    ///
    /// It does not count towards the [length](Self::len), since no caller can make it longer.
    pub(crate) fn push_content(&mut self, digest: &[u8; 32]) {
        self.encoded.push_prefixed(b"");
        self.encoded.push_prefixed(digest);
    }

    /// Marks a part as one that cannot be written, which makes the whole key
    /// [fail](crate::ErrorKind::Encode).
    pub(crate) fn push_unserializable(&mut self) {
        self.fail(KeyProblem::Unserializable);
    }

    /// Marks a part as missing, which makes the whole key [missing](crate::ErrorKind::MissingKey).
    pub fn push_missing(&mut self) {
        self.fail(KeyProblem::Missing);
    }

    /// Records what is wrong. A missing part outweighs an empty one.
    fn fail(&mut self, problem: KeyProblem) {
        if self.problem != Some(KeyProblem::Missing) {
            self.problem = Some(problem);
        }
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        self.encoded.as_slice()
    }

    /// The total length of the parts, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Appends the key in readable form: its parts in order, with a `/` between two parts whose
    /// words would touch. The text is cut at 4 KiB.
    ///
    /// A digest of a payload is left out: whoever reads it could try payloads until one has it.
    pub(crate) fn write_text(&self, out: &mut Vec<u8>) {
        let end = out.len() + MAX_TEXT_BYTES;
        let mut rest = self.encoded();
        let mut touches = false;
        while let Some((part, mut tail)) = split_prefixed(rest) {
            // Hardly any part is anything else than a text.
            let text = std::str::from_utf8(part).map(Cow::Borrowed);
            let mut part = text.unwrap_or_else(|_| String::from_utf8_lossy(part));
            if part.is_empty() {
                part = CONTENT.into();
                tail = split_prefixed(tail).map_or(tail, |(_digest, tail)| tail);
            }
            if touches && part.starts_with(char::is_alphanumeric) && out.len() < end {
                out.push(b'/');
            }
            out.extend_from_slice(clip(&part, end - out.len()).as_bytes());
            touches = part.ends_with(char::is_alphanumeric);
            rest = tail;
        }
    }
}

/// What is shown in the place of a payload's digest.
const CONTENT: &str = "(content)";

/// The longest text of a key, in bytes. The engine's limit on keys is usually far lower.
const MAX_TEXT_BYTES: usize = 4096;

/// Returns at most `max_bytes` of `text`, cut at a character boundary.
pub(crate) fn clip(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Splits one length-prefixed part off the front.
fn split_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (i, byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return bytes[i + 1..].split_at_checked(length);
        }
    }
    None
}

impl KeyProblem {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "the key or the scope, or a part of one, is `None`",
            Self::Empty => "the key or the scope, or a part of one, is empty",
            Self::Guessable => "the key could be guessed",
            Self::Unserializable => "the payload that the key is made of cannot be serialized",
        }
    }
}

impl fmt::Debug for KeyParts {
    /// Omits the parts: a key may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyParts").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

struct Text(InlineBytes<64>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_text() {
        assert_eq!(KeyParts::of(&42_u8).unwrap().encoded(), KeyParts::of("42").unwrap().encoded());
    }

    #[test]
    fn none_is_a_missing_key_wherever_it_stands() {
        let none: Option<u32> = None;
        assert_eq!(KeyParts::of(&none).unwrap_err(), KeyProblem::Missing);
        assert_eq!(KeyParts::of(&("order:", none)).unwrap_err(), KeyProblem::Missing);
        assert_eq!(KeyParts::of(&("", none)).unwrap_err(), KeyProblem::Missing);
        assert_eq!(KeyParts::of(&(none, "")).unwrap_err(), KeyProblem::Missing);
    }

    #[test]
    fn an_empty_key_or_part_is_refused() {
        assert_eq!(KeyParts::of("").unwrap_err(), KeyProblem::Empty);
        assert_eq!(KeyParts::of(&("a", "")).unwrap_err(), KeyProblem::Empty);
        assert_eq!(KeyParts::of(&format_args!("{}", "")).unwrap_err(), KeyProblem::Empty);
    }

    #[test]
    fn the_text_reads_as_the_key_string_was_written() {
        let parts = KeyParts::of(&("order:", 42, ":", format_args!("{:>4}", 7))).unwrap();
        assert_eq!(text(&parts), "order:42:   7");
        assert_eq!(text(&KeyParts::of(&("tenant", 42)).unwrap()), "tenant/42");
        assert_eq!(parts.len(), 13);
    }

    #[test]
    fn what_is_no_text_is_shown_as_such() {
        let bytes: &[u8] = b"a\xffb";
        assert_eq!(text(&KeyParts::of(&("order:", bytes)).unwrap()), "order:a\u{fffd}b");
    }

    #[test]
    fn a_digest_is_a_part_that_no_other_key_has_and_is_not_shown() {
        let digest = [7; 32];
        let mut parts = KeyParts::default();
        parts.push("order");
        parts.push_content(&digest);
        parts.push(8_u8.to_string());
        let parts = parts.checked().unwrap();
        assert_eq!(text(&parts), "order(content)8");
        assert_eq!(parts.len(), 6);

        let mut bytes = KeyParts::default();
        bytes.push("order");
        bytes.push(digest);
        bytes.push("8");
        assert_ne!(parts.encoded(), bytes.checked().unwrap().encoded());
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let long = "é".repeat(5000);
        let cut = text(&KeyParts::of(&("a", long.as_str(), "b")).unwrap());
        assert_eq!(cut.len(), MAX_TEXT_BYTES);
        assert!(cut.starts_with("a/é") && cut.ends_with('é'), "{cut}");
    }

    fn text(parts: &KeyParts) -> String {
        let mut out = Vec::new();
        parts.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }
}
