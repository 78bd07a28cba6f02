//! [`CallBuilder`]: a call's key, its options, and then the type of its result.

use std::any;
#[cfg(any(feature = "consumer", feature = "http"))]
use std::sync::Arc;

use serde::Serialize;

use super::bounds::{FromError, Memoizable};
use super::client_keys::{assert_needs_no_owner, assert_owner};
use super::policy::Policy;
use super::result_type::ResultType;
use super::typed::Call;
use crate::codec::{self, BinaryResult};
#[cfg(feature = "consumer")]
use crate::engine::Idempotency;
#[cfg(any(feature = "consumer", feature = "http"))]
use crate::engine::Limiter;
use crate::engine::{AsEngine, CallSpan, Request};
use crate::error::Error;
#[cfg(feature = "consumer")]
use crate::model::RecordId;
use crate::model::{Key, KeyParts, KeyProblem, Operation, RecordBytes, ResultTypes};

impl Operation {
    /// Starts a call of this operation with a key.
    ///
    /// The key is read at once, so nothing of it is borrowed afterwards.
    ///
    /// A key that a [client chooses](Key::CHOSEN_BY_CLIENT) does not compile: start with
    /// [`scope`](Self::scope) or [`global_scope`](Self::global_scope).
    pub fn key<K: Key + ?Sized>(self, key: &K) -> CallBuilder {
        const { assert_needs_no_owner::<K>() };
        CallBuilder::new(self, KeyParts::of(key), None)
    }

    /// A call with a client's key, whose owner is still to be set, unless all clients share their keys.
    #[cfg(feature = "http")]
    pub(crate) fn client_key<K: Key + ?Sized>(self, key: &K) -> CallBuilder {
        CallBuilder::new(self, KeyParts::of(key), None)
    }
}

/// A call whose result type is not known yet. [`Operation::key`] creates it.
#[derive(Debug)]
#[must_use = "a call does nothing until it runs"]
pub struct CallBuilder {
    /// Boxed, because it is moved often.
    request: Box<Request>,
}

impl CallBuilder {
    pub(super) fn new(
        operation: Operation,
        key: Result<KeyParts, KeyProblem>,
        scope: Option<Box<Result<KeyParts, KeyProblem>>>,
    ) -> Self {
        let request = Request {
            operation,
            key,
            scope,
            digest: None,
            engine: None,
            limiter: None,
            detaches: false,
            result_types: None,
            trace_parent: None,
            input: None,
        };
        Self { request: Box::new(request) }
    }

    /// Sets the tenant or user that the key belongs to, which becomes part of the record's
    /// identity. `None` is refused with [`MissingKey`](crate::ErrorKind::MissingKey); it never
    /// means the global scope. Give it by reference or by value.
    pub fn scope<K: Key>(mut self, scope: K) -> Self {
        const { assert_owner::<K>() };
        self.request.scope = Some(Box::new(KeyParts::of(&scope)));
        self
    }

    /// Sets a scope that was read before.
    #[cfg(feature = "http")]
    pub(crate) fn scope_parts(mut self, scope: KeyParts) -> Self {
        self.request.scope = Some(Box::new(Ok(scope)));
        self
    }

    /// Limits the call together with others, instead of by the engine's own limits.
    #[cfg(any(feature = "consumer", feature = "http"))]
    pub(crate) fn limiter(mut self, limiter: &Arc<Limiter>) -> Self {
        self.request.limiter = Some(Arc::clone(limiter));
        self
    }

    /// Sets the payload. The same key with a different payload is refused with
    /// [`FingerprintMismatch`](crate::ErrorKind::FingerprintMismatch). The payload is digested at
    /// once; equal values have equal digests, whatever the order of their maps.
    pub fn fingerprint<P: Serialize + ?Sized>(mut self, payload: &P) -> Self {
        self.request.digest = Some(codec::digest(payload).map_err(Box::new));
        self
    }

    /// Sets a digest of the payload, for payloads that serde does not support, such as the body of
    /// a request. Equal payloads must have equal digests, and different payloads different ones:
    /// use a hash of 256 bits over an unambiguous encoding.
    pub fn fingerprint_digest(mut self, digest: [u8; 32]) -> Self {
        self.request.digest = Some(Ok(digest));
        self
    }

    /// Keeps the call's input with its reservation, so that a [`Recovery`](crate::engine::Recovery) resumes the call if it
    /// is interrupted and nobody retries it. It is encoded at once, and is the
    /// [`fingerprint`](Self::fingerprint) too, unless one is set.
    ///
    /// A call that is *at most once* or in a transaction, or on a store without an [index of such
    /// calls](crate::store::DueCalls), is refused with [`Misconfigured`](crate::ErrorKind::Misconfigured). An input that
    /// cannot be encoded, or is larger than the engine's [limit](crate::IdempotencyBuilder::max_input_bytes), is refused
    /// with [`Encode`](crate::ErrorKind::Encode).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, Operation};
    ///
    /// const CHECKOUT: Operation = Operation::new("shop.checkout");
    ///
    /// let order = (7, "a book");
    /// let call = CHECKOUT.key(&order.0).resume(&order).returning::<Result<u32, Error>>();
    /// assert_eq!(call.run(|| async { Ok(1) }).await?, 1);
    /// # Ok(()) }
    /// ```
    pub fn resume<P: Serialize + ?Sized>(mut self, input: &P) -> Self {
        let mut bytes = RecordBytes::new();
        let encoded = codec::encode(codec::OK, &input, &mut bytes).map(|()| bytes);
        self.request.input = Some(Box::new(encoded));
        if self.request.digest.is_none() {
            return self.fingerprint(input);
        }
        self
    }

    /// Sets the engine, instead of the task's or the installed one: an [`Idempotency`](crate::Idempotency), or
    /// what dereferences to
    /// one, such as an `Arc` of it.
    pub fn engine<E: AsEngine + ?Sized>(mut self, engine: &E) -> Self {
        self.request.engine = Some(engine.as_engine().clone());
        self
    }

    /// Sets what the call returns. A refusal is converted into its error by `From`.
    ///
    /// This is the only place that requires anything of a result's types.
    ///
    /// `R::Call` is a [`Call<T, E>`](Call) for every `Result<T, E>`.
    pub fn returning<R>(self) -> R::Call
    where
        R: ResultType<Ok: Memoizable, Err: FromError>,
    {
        R::call(self.call(Policy::new(FromError::from_error)))
    }

    /// Sets what the call returns. A refusal is converted into its error by `map_error`.
    pub fn returning_or<R>(self, map_error: fn(Error) -> R::Err) -> R::Call
    where
        R: ResultType<Ok: Memoizable>,
    {
        R::call(self.call(Policy::new(map_error)))
    }

    /// Sets what the call returns, for a type with an encoding of its own.
    pub fn returning_binary<T: BinaryResult, E>(self, map_error: fn(Error) -> E) -> Call<T, E> {
        self.call(Policy::binary(map_error))
    }

    /// The id of the call's record in that engine; `None` if its key is refused.
    #[cfg(feature = "consumer")]
    pub(crate) fn record_id(&self, engine: &Idempotency) -> Option<RecordId> {
        self.request.record_id(engine).ok()
    }

    fn call<T, E>(mut self, policy: Policy<T, E>) -> Call<T, E> {
        self.request.result_types = Some(ResultTypes::new(any::type_name::<T>(), None));
        let span = CallSpan::new(&self.request.operation);
        Call { request: self.request, policy, span }
    }
}
