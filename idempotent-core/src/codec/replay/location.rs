//! Where encoding or decoding stopped, by how many bytes it got.

use super::path::{Path, Step};
use crate::codec::reader::{Item, Reader};

/// The part that was being written when the encoder failed: what comes after the bytes it wrote.
pub(super) fn of_encoder(written: &[u8]) -> Path {
    Walk::through(written).here
}

/// The part that was being read when the decoder failed. If that was the last one of its container,
/// the decoder may have refused the container, which is then the answer.
pub(super) fn of_decoder(read: &[u8]) -> Path {
    let Walk { here, last, ended } = Walk::through(read);
    let is_within = !ended && here.0.len() == last.0.len() && here.parent() == last.parent();
    if is_within { last } else { Path(last.parent().to_vec()) }
}

/// A walk through the beginning of a value.
struct Walk {
    /// Where the bytes end: the value that is missing.
    here: Path,
    /// The last value that is whole and has no parts.
    last: Path,
    /// Whether nothing is missing.
    ended: bool,
}

impl Walk {
    fn through(bytes: &[u8]) -> Self {
        let mut walk = Self { here: Path::default(), last: Path::default(), ended: false };
        walk.ended = walk.value(&mut Reader(bytes)).is_some();
        walk
    }

    /// `None` if the bytes end within the value, which the path then leads to.
    fn value(&mut self, input: &mut Reader<'_>) -> Option<()> {
        match input.next()? {
            Item::Array(length) => {
                for index in 0..length {
                    self.here.push(Step::Index(index));
                    self.value(input)?;
                    self.here.pop();
                }
            }
            Item::Map(length) => {
                for _ in 0..length {
                    let key = match Reader(input.0).next() {
                        Some(Item::Text(text)) => Step::of_key(text),
                        Some(_) => Step::of_key(b""),
                        None => return None,
                    };
                    self.here.push(key);
                    let last = self.last.clone();
                    self.value(input)?;
                    // The key itself is not a value.
                    self.last = last;
                    self.value(input)?;
                    self.here.pop();
                }
            }
            _ => self.last = self.here.clone(),
        }
        Some(())
    }
}
