//! A call of an operation: first its options, then its type, then the run.

use serde::Serialize;

use super::Operation;
use super::policy::Policy;
use super::returned::{Encoded, FromError, Returned, Stored};
use crate::codec;
use crate::disposition::Disposition;
use crate::engine::{CallSpan, Idempotency, Request};
use crate::error::Error;
use crate::key::{Key, KeyParts};

/// A call whose result's type is not said yet. See [`Operation::key`].
#[derive(Debug)]
#[must_use = "a call does nothing until it runs"]
pub struct CallBuilder {
    /// Boxed, since it moves from hand to hand.
    request: Box<Request>,
}

/// A call that is ready to run. See [`CallBuilder::returning`].
#[must_use = "a call does nothing until it runs"]
pub struct Call<T, E> {
    pub(super) request: Box<Request>,
    pub(super) policy: Policy<T, E>,
    pub(super) span: CallSpan,
}

impl CallBuilder {
    pub(super) fn new<K: Key + ?Sized>(operation: Operation, key: &K) -> Self {
        let key = KeyParts::of(key);
        let request = Request { operation, key, scope: None, digest: None, engine: None };
        Self { request: Box::new(request) }
    }

    /// The tenant or user that the key belongs to: a part of the identity. `None` is
    /// [`MissingKey`](crate::ErrorKind::MissingKey), never the global scope.
    pub fn scope<K: Key + ?Sized>(mut self, scope: &K) -> Self {
        self.request.scope = Some(Box::new(KeyParts::of(scope)));
        self
    }

    /// The scope as it was read before.
    #[cfg(feature = "http")]
    pub(crate) fn scope_parts(mut self, scope: KeyParts) -> Self {
        self.request.scope = Some(Box::new(Ok(scope)));
        self
    }

    /// The payload. The same key with another payload is
    /// [`FingerprintMismatch`](crate::ErrorKind::FingerprintMismatch). It is digested here and
    /// now, the same for equal values however their maps are ordered.
    pub fn fingerprint<P: Serialize + ?Sized>(mut self, payload: &P) -> Self {
        self.request.digest = Some(codec::digest(payload).map_err(Box::new));
        self
    }

    /// The payload, by a digest of it: for payloads that serde does not carry, such as the body of a
    /// request. Give equal payloads equal digests, and others others: a hash of 256 bits over an
    /// encoding that does not run together.
    pub fn fingerprint_digest(mut self, digest: [u8; 32]) -> Self {
        self.request.digest = Some(Ok(digest));
        self
    }

    /// The engine, instead of the task's or the installed one.
    pub fn store(mut self, engine: &Idempotency) -> Self {
        self.request.engine = Some(engine.clone());
        self
    }

    /// Says what the call returns, a refusal becoming an `E` by `From`.
    ///
    /// Everything that a result must be able to do is asked here and nowhere else.
    ///
    /// `R::Call` is a [`Call<T, E>`](Call) for every `Result<T, E>`.
    pub fn returning<R>(self) -> R::Call
    where
        R: Returned<Ok: Stored, Err: FromError>,
    {
        R::call(self.call(Policy::new(FromError::from_error)))
    }

    /// Says what the call returns, a refusal becoming an `E` by `map_error`.
    pub fn returning_or<R>(self, map_error: fn(Error) -> R::Err) -> R::Call
    where
        R: Returned<Ok: Stored>,
    {
        R::call(self.call(Policy::new(map_error)))
    }

    /// Says what the call returns, of a type that writes its own bytes.
    pub fn returning_encoded<T: Encoded, E>(self, map_error: fn(Error) -> E) -> Call<T, E> {
        self.call(Policy::encoded(map_error))
    }

    fn call<T, E>(self, policy: Policy<T, E>) -> Call<T, E> {
        let span = CallSpan::new(&self.request.operation);
        Call { request: self.request, policy, span }
    }
}

impl<T, E> Call<T, E> {
    /// Memoizes `Err` as well as `Ok`.
    pub fn memoize_errors(mut self) -> Self
    where
        E: Stored,
    {
        self.policy.memoize_errors();
        self
    }

    /// Asks `disposition` what becomes of the key, for `Ok` and `Err`. Errors that it keeps are
    /// memoized.
    pub fn memoize(mut self, disposition: fn(&Result<T, E>) -> Disposition) -> Self
    where
        E: Stored,
    {
        self.policy.memoize(disposition);
        self
    }

    /// Asks `disposition` what becomes of the key on an `Err` that writes its own bytes. Errors that
    /// it keeps are memoized.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::{Disposition, Encoded, Error, Operation, Undecodable};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Code(u8);
    ///
    /// impl Encoded for Code {
    ///     fn encode(&self, out: &mut Vec<u8>) {
    ///         out.push(self.0);
    ///     }
    ///
    ///     fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
    ///         bytes.first().map(|code| Self(*code)).ok_or(Undecodable)
    ///     }
    /// }
    ///
    /// let call = || {
    ///     let call = Operation::new("relay").key("frame 8");
    ///     call.returning_encoded::<Code, Code>(|_| Code(0)).memoize_encoded(|_| Disposition::Keep)
    /// };
    /// assert_eq!(call().run(|| async { Err(Code(7)) }).await, Err(Code(7)));
    /// assert_eq!(call().run(|| async { Ok(Code(8)) }).await, Err(Code(7)));
    /// # }
    /// ```
    pub fn memoize_encoded(mut self, disposition: fn(&E) -> Disposition) -> Self
    where
        E: Encoded,
    {
        self.policy.memoize_encoded(disposition);
        self
    }

    /// Asks `disposition` what an `Err` means: whether nothing had happened
    /// ([`Release`](Disposition::Release), the default) or nobody knows
    /// ([`Hold`](Disposition::Hold)). An error that it *keeps* leaves a tombstone, final and not
    /// replayed, unless the call memoizes errors.
    pub fn on_error(mut self, disposition: fn(&E) -> Disposition) -> Self {
        self.policy.on_error(disposition);
        self
    }
}

impl<T, E> std::fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("operation", &self.request.operation).finish_non_exhaustive()
    }
}
