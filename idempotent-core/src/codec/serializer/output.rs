//! [`Serializer`]: where values are written to, and how deep.

use rmp::encode;
use rmp_serde::encode::Error;

use super::header;
use crate::codec::number::Number;

/// The levels of a result that are encoded, and decoded. Whoever can write to a store must not be able to
/// exhaust a stack: in a build without optimizations, types with flattened or many fields take 8 to 14 KiB for
/// each level that is read, and a thread has 2 MiB by default.
pub(crate) const RESULT_DEPTH: u16 = 100;

/// The levels of a payload. It is only written, which takes less, and nobody stores it.
const FINGERPRINT_DEPTH: u16 = 256;

/// The name under which `serde_json` presents a number, with its feature `arbitrary_precision`.
pub(super) const JSON_NUMBER: &str = "$serde_json::private::Number";

/// What the bytes are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They are read back, so whatever would come back as another value is refused.
    Result,
    /// They are only compared. Numbers beyond 64 bits become the nearest double, as they are in
    /// builds in which `serde_json` has nothing better.
    Fingerprint,
}

/// Writes MessagePack to the end of a buffer.
pub(crate) struct Serializer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pub(super) purpose: Purpose,
    levels: u16,
    /// Whether a number of `serde_json` may have been written in another form than its text, as `1.50` is
    /// as `1.5`.
    pub(super) rewrote_number: bool,
}

impl<'o> Serializer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>, purpose: Purpose) -> Self {
        let levels = match purpose {
            Purpose::Result => RESULT_DEPTH,
            Purpose::Fingerprint => FINGERPRINT_DEPTH,
        };
        Self { out, purpose, levels, rewrote_number: false }
    }

    pub(crate) fn rewrote_number(&self) -> bool {
        self.rewrote_number
    }

    #[inline]
    pub(super) fn descend(&mut self) -> Result<(), Error> {
        self.levels = self.levels.checked_sub(1).ok_or(Error::DepthLimitExceeded)?;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.levels += 1;
    }

    pub(super) fn float(&mut self, value: f64) -> Result<(), Error> {
        Ok(encode::write_f64(self.out, value)?)
    }

    /// Writes a number that `serde_json` presented as the text at the end of the buffer, in its place.
    pub(super) fn json_number(&mut self, start: usize) -> Result<(), Error> {
        let mut text = &self.out[start..];
        let length = rmp::decode::read_str_len(&mut text).ok().map(|length| length as usize);
        let text = length.filter(|length| *length == text.len()).map(|_| text.to_owned());
        let text = text.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
        self.out.truncate(start);
        match Number::parse(&text) {
            Some(parsed) if parsed.is_exact || self.purpose == Purpose::Fingerprint => {
                self.rewrote_number |= matches!(parsed.number, Number::Float(_));
                match parsed.number {
                    Number::Unsigned(value) => encode::write_uint(self.out, value).map(drop)?,
                    Number::Negative(value) => encode::write_sint(self.out, value).map(drop)?,
                    Number::Float(value) => self.float(value)?,
                }
                Ok(())
            }
            // No build without `arbitrary_precision` has such a number, so none reads it.
            _ if self.purpose == Purpose::Fingerprint => {
                encode::write_map_len(self.out, 1)?;
                encode::write_str(self.out, JSON_NUMBER)?;
                Ok(encode::write_str(self.out, &text)?)
            }
            _ => Err(Error::Syntax(
                "a number of serde_json has more digits than 64 bits or a double can carry".into(),
            )),
        }
    }

    pub(super) fn array(&mut self, length: usize) -> Result<(), Error> {
        header::array(self.out, length)?;
        self.descend()
    }

    pub(super) fn map(&mut self, length: usize) -> Result<(), Error> {
        header::map(self.out, length)?;
        self.descend()
    }

    /// The start of a variant with contents: a map from its name to them.
    pub(super) fn variant(&mut self, name: &str) -> Result<(), Error> {
        self.map(1)?;
        header::text(self.out, name)
    }
}
