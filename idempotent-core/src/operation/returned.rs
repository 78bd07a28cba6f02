//! What an idempotent function may return: the attribute's only trait bounds, and their texts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Call;
use crate::Error;

/// A `Result`: what an idempotent function returns, whatever alias it is written with.
#[diagnostic::on_unimplemented(
    message = "an idempotent function returns a `Result`, and `{Self}` is none",
    label = "not a `Result`",
    note = "a duplicate may be refused, so write `Result<{Self}, idempotent_core::Error>`, or an error type of your own with `From<idempotent_core::Error>`"
)]
pub trait Returned {
    /// What is memoized.
    type Ok;
    /// What a refusal becomes.
    type Err;
    /// A [`Call`] that returns this. It is a type of the trait's, so that a type that is no
    /// `Result` is one error, where it is said, and none in what follows.
    type Call;

    #[doc(hidden)]
    fn call(call: Call<Self::Ok, Self::Err>) -> Self::Call;
}

impl<T, E> Returned for Result<T, E> {
    type Ok = T;
    type Err = E;
    type Call = Call<T, E>;

    fn call(call: Call<T, E>) -> Call<T, E> {
        call
    }
}

/// A value that can be memoized: whatever serde can write and read back as an owned value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be memoized",
    label = "cannot be written to a store and read back",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` on it, and return owned values"
)]
pub trait Stored: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Stored for T {}

/// A result that writes and reads its own bytes, where serde does not carry it: a message with a
/// wire format of its own, or one that is encoded already.
///
/// What [`encode`](Self::encode) writes is read by other processes, and by later versions of this
/// one: change it only together with [`Operation::version`](super::Operation::version).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::{Encoded, Error, Operation, Undecodable};
///
/// #[derive(Debug, PartialEq)]
/// struct Frame(Vec<u8>);
///
/// impl Encoded for Frame {
///     fn encode(&self, out: &mut Vec<u8>) {
///         out.extend_from_slice(&self.0);
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
///         Ok(Self(bytes.to_vec()))
///     }
/// }
///
/// let call = || Operation::new("relay").key("frame 7").returning_encoded::<Frame, Error>(|e| e);
/// let first = call().run(|| async { Ok(Frame(vec![1, 2])) }).await?;
/// assert_eq!(call().run(|| async { Ok(Frame(vec![])) }).await?, first);
/// # Ok(()) }
/// ```
pub trait Encoded: Sized {
    /// Appends this value's bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// The value of these bytes, which may be any.
    ///
    /// # Errors
    ///
    /// [`Undecodable`], which the caller sees as [`Decode`](crate::ErrorKind::Decode).
    fn decode(bytes: &[u8]) -> Result<Self, Undecodable>;

    /// The value as a replay gives it, for types that can say that they are one. Default: as it was
    /// decoded.
    #[must_use]
    fn replayed(self) -> Self {
        self
    }
}

/// Bytes are not what [`Encoded::encode`] writes. It says no more, since they may be another
/// caller's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

impl std::fmt::Display for Undecodable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not an encoded result")
    }
}

impl std::error::Error for Undecodable {}

/// An error type that a refusal converts into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an idempotency error",
    label = "lacks `From<idempotent_core::Error>`",
    note = "a duplicate may be refused: write `impl From<idempotent_core::Error> for {Self}`, or name a conversion with `map_error = path`"
)]
pub trait FromError: Sized {
    /// The refusal as this type.
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {
    fn from_error(error: Error) -> Self {
        error.into()
    }
}
