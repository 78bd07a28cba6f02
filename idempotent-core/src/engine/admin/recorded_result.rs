//! [`RecordedResult`]: the result that a record keeps, as an operator reads it.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::inspect::Inspection;
use crate::codec::{self, BinaryResult};
use crate::error::{Error, ErrorKind};
use crate::model::{NotKept, Outcome, RecordId};

/// The result that a record keeps. From [`Inspection::result`].
///
/// It may be confidential, so `Debug` shows its length alone.
#[derive(Clone, Copy)]
pub struct RecordedResult<'a> {
    id: &'a RecordId,
    is_error: bool,
    encoded: &'a [u8],
}

impl<'a> RecordedResult<'a> {
    /// Whether it is the `Err` of an operation that memoizes errors.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.is_error
    }

    /// The encoded value: MessagePack, or the encoding of its own that a [`BinaryResult`] has.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// Decodes it from MessagePack, into the operation's own type or into any that can hold what that writes, such
    /// as `serde_json::Value`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if it is no such value, or if bytes are left.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        codec::decode_all(self.encoded)
            .map_err(|error| Error::of(ErrorKind::Decode, self.id).caused_by(error))
    }

    /// Decodes it from the type's own encoding, such as that of the `StoredResponse` of an HTTP layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if it is not in this type's encoding.
    pub fn decode_binary<T: BinaryResult>(&self) -> Result<T, Error> {
        codec::decode_binary(self.encoded)
            .map_err(|error| Error::of(ErrorKind::Decode, self.id).caused_by(error))
    }
}

impl fmt::Debug for RecordedResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedResult")
            .field("is_error", &self.is_error)
            .field("bytes", &self.encoded.len())
            .finish_non_exhaustive()
    }
}

impl Inspection {
    /// The result that retries replay; `None` if the call has not completed, or is a
    /// [tombstone](Self::is_tombstone).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use idempotent_core::{Error, Idempotency, Operation, backends::MemoryStore};
    ///
    /// let engine = Idempotency::new(MemoryStore::new());
    /// let call = Operation::new("charge").key("order 7").engine(&engine);
    /// call.returning::<Result<String, Error>>().run(|| async { Ok("receipt 7".to_owned()) }).await?;
    ///
    /// let id = engine.record_id("charge", None, "order 7")?;
    /// let seen = engine.inspect(&id).await?;
    /// let result = seen.as_ref().and_then(|seen| seen.result()).ok_or("there is none")?;
    /// assert_eq!(result.decode::<String>()?, "receipt 7");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn result(&self) -> Option<RecordedResult<'_>> {
        let Outcome::Kept(payload) = self.entry.record.outcome() else { return None };
        let (tag, encoded) = payload.split_first()?;
        let is_error = match *tag {
            codec::OK => false,
            codec::ERR => true,
            _ => return None,
        };
        Some(RecordedResult { id: &self.id, is_error, encoded })
    }

    /// Why a [tombstone](Self::is_tombstone) has no result; `None` for every other record.
    #[must_use]
    pub fn not_kept(&self) -> Option<NotKept> {
        match self.entry.record.outcome() {
            Outcome::NotKept(why) => Some(why),
            _ => None,
        }
    }

    /// How many bytes the record has in its store, without the store's own overhead.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entry.record.as_bytes().len()
    }

    /// How long the record is kept once it is indeterminate.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.entry.record.retention()
    }
}
