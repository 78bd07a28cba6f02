//! [`BinaryResult`]: results with an encoding of their own.

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;

use crate::model::RecordBytes;

/// Writes a tag, which says whether this is the `Ok` or the `Err`, and then `value`.
pub(crate) fn encode_binary<T: BinaryResult>(
    tag: u8,
    value: &T,
    out: &mut RecordBytes,
) -> Result<(), EncodeError> {
    out.push(tag);
    value.encode(out);
    Ok(())
}

/// Reads a value that [`encode_binary`] wrote, without its tag, and marks it as replayed.
pub(crate) fn decode_binary<T: BinaryResult>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::decode(bytes).map(T::replayed).map_err(|InvalidBytes| {
        DecodeError::Syntax("the bytes are not in this type's encoding".into())
    })
}

/// A result with an encoding of its own, for types that serde does not support: a message with its
/// own wire format, or bytes that are already encoded.
///
/// Other processes and later versions of the program read what [`encode`](Self::encode) writes:
/// change it only together with [`Operation::version`](crate::Operation::version).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::call::{BinaryResult, InvalidBytes};
/// use idempotent_core::{Error, Operation};
///
/// #[derive(Debug, PartialEq)]
/// struct Frame(Vec<u8>);
///
/// impl BinaryResult for Frame {
///     fn encode(&self, out: &mut Vec<u8>) {
///         out.extend_from_slice(&self.0);
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
///         Ok(Self(bytes.to_vec()))
///     }
/// }
///
/// let call = || Operation::new("relay").key("frame 7").returning_binary::<Frame, Error>(|e| e);
/// let first = call().run(|| async { Ok(Frame(vec![1, 2])) }).await?;
/// assert_eq!(call().run(|| async { Ok(Frame(vec![])) }).await?, first);
/// # Ok(()) }
/// ```
pub trait BinaryResult: Sized {
    /// Appends the encoded value to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Decodes a value from bytes, which may be anything.
    ///
    /// # Errors
    ///
    /// [`InvalidBytes`] if they are not an encoded value. The call then fails with
    /// [`Decode`](crate::ErrorKind::Decode).
    fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes>;

    /// Marks the value as a replay, for types that can express that. The default returns it
    /// unchanged.
    #[must_use]
    fn replayed(self) -> Self {
        self
    }
}

/// The error for bytes that [`BinaryResult::encode`] did not write. It carries no details, because
/// the bytes may be another caller's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBytes;

impl std::fmt::Display for InvalidBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not an encoded result")
    }
}

impl std::error::Error for InvalidBytes {}
