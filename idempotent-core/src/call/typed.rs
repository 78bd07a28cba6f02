//! [`Call`]: a call that is ready to run, and what happens to its results.

use std::{any, fmt};

use super::bounds::{Memoizable, MemoizableError};
use super::comparisons::{Results, results};
use super::policy::Policy;
use crate::codec::{BinaryResult, Comparison};
use crate::engine::{CallSpan, Request};
use crate::model::Disposition;

/// A call that is ready to run. [`CallBuilder::returning`](super::CallBuilder::returning) makes it.
#[must_use = "a call does nothing until it runs"]
pub struct Call<T, E> {
    pub(super) request: Box<Request>,
    pub(super) policy: Policy<T, E>,
    pub(super) span: CallSpan,
}

impl<T, E> Call<T, E> {
    /// Says that the body runs on without its caller.
    #[cfg(feature = "axum")]
    pub(crate) fn detaching(mut self) -> Self {
        self.request.detaches = true;
        self
    }

    /// Memoizes `Err` as well as `Ok`.
    pub fn memoize_errors(mut self) -> Self
    where
        E: MemoizableError,
    {
        self.policy.memoize_errors();
        self.keeps_errors();
        self
    }

    /// Lets `disposition` decide what happens to the key, for `Ok` and `Err`. Errors that it keeps
    /// are memoized.
    pub fn memoize(mut self, disposition: fn(&Result<T, E>) -> Disposition) -> Self
    where
        E: MemoizableError,
    {
        self.policy.memoize(disposition);
        self.keeps_errors();
        self
    }

    /// Lets `disposition` decide what happens to the key on an `Err`, whose type has an encoding of
    /// its own. Errors that it keeps are memoized.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::call::{BinaryResult, InvalidBytes};
    /// use idempotent_core::{Disposition, Error, Operation};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Code(u8);
    ///
    /// impl BinaryResult for Code {
    ///     fn encode(&self, out: &mut Vec<u8>) {
    ///         out.push(self.0);
    ///     }
    ///
    ///     fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
    ///         bytes.first().map(|code| Self(*code)).ok_or(InvalidBytes)
    ///     }
    /// }
    ///
    /// let call = || {
    ///     let call = Operation::new("relay").key("frame 8");
    ///     call.returning_binary::<Code, Code>(|_| Code(0)).memoize_binary_errors(|_| Disposition::Keep)
    /// };
    /// assert_eq!(call().run(|| async { Err(Code(7)) }).await, Err(Code(7)));
    /// assert_eq!(call().run(|| async { Ok(Code(8)) }).await, Err(Code(7)));
    /// # }
    /// ```
    pub fn memoize_binary_errors(mut self, disposition: fn(&E) -> Disposition) -> Self
    where
        E: BinaryResult,
    {
        self.policy.memoize_binary_errors(disposition);
        self.keeps_errors();
        self
    }

    /// Compares an `Ok` by `==` with what is read back from its encoding, where the engine
    /// [verifies results](crate::IdempotencyBuilder::verify_results). Without this, the two are encoded
    /// and their encodings compared, which misses what is not encoded, such as a field with
    /// `#[serde(skip)]`.
    ///
    /// The attribute does so by itself for every type that is `PartialEq`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::backends::MemoryStore;
    /// use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
    ///
    /// let engine = Idempotency::builder(MemoryStore::new()).verify_results(true).build();
    /// let call = Operation::new("find").key("7").engine(&engine);
    /// let call = call.returning::<Result<Option<()>, Error>>().compare_results();
    /// let refused = call.run(|| async { Ok(Some(())) }).await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::NotReplayable); // a replay would return `None`
    /// # }
    /// ```
    pub fn compare_results(mut self) -> Self
    where
        T: Memoizable + PartialEq + fmt::Debug,
    {
        self.policy.compare_ok(Comparison::by_equality_and_debug());
        self
    }

    /// What the compiler finds out, where the attribute names the type, about comparing an `Ok`.
    #[doc(hidden)]
    pub fn comparing(mut self, find: fn(Results<T, E>) -> Option<Comparison<T>>) -> Self {
        if let Some(comparison) = find(results()) {
            self.policy.compare_ok(comparison);
        }
        self
    }

    /// What the compiler finds out, where the attribute names the type, about comparing an `Err`.
    #[doc(hidden)]
    pub fn comparing_errors(mut self, find: fn(Results<T, E>) -> Option<Comparison<E>>) -> Self {
        if let Some(comparison) = find(results()) {
            self.policy.compare_err(comparison);
        }
        self
    }

    fn keeps_errors(&mut self) {
        if let Some(types) = &mut self.request.result_types {
            types.err = Some(any::type_name::<E>());
        }
    }

    /// Lets `disposition` decide what an `Err` means: nothing happened
    /// ([`Release`](Disposition::Release), the default), the outcome is unknown
    /// ([`Unknown`](Disposition::Unknown)), or work may still be going on elsewhere
    /// ([`HoldForLease`](Disposition::HoldForLease)). An error that it *keeps* leaves a tombstone, final and not
    /// replayed, unless the call memoizes errors.
    pub fn on_error(mut self, disposition: fn(&E) -> Disposition) -> Self {
        self.policy.on_error(disposition);
        self
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("operation", &self.request.operation).finish_non_exhaustive()
    }
}
