//! [`OperationInScope`]: an operation that knows whose the key is before it gets one.
//!
//! That order lets the compiler refuse a client's key without an owner: when the key is given, it is known
//! whether there is one.

use std::fmt;

use super::builder::CallBuilder;
use super::client_keys::assert_owner;
use crate::model::{Key, KeyParts, KeyProblem, Operation};

/// An operation with a scope, which still lacks a key. [`Operation::scope`] and [`Operation::global_scope`]
/// make it.
#[must_use = "an operation does nothing until it has a key and runs"]
pub struct OperationInScope {
    operation: Operation,
    /// `None` is the scope that all callers share.
    scope: Option<Box<Result<KeyParts, KeyProblem>>>,
}

impl Operation {
    /// Says to whom the key of a call belongs: the caller, as authentication established it. The keys of two
    /// owners never meet. `None` is refused with [`MissingKey`](crate::ErrorKind::MissingKey); it never means
    /// the global scope.
    ///
    /// ```
    /// # #[cfg(feature = "http")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use idempotent_core::{Error, Operation, http::IdempotencyKey};
    ///
    /// const PAY: Operation = Operation::new("shop::pay");
    ///
    /// let (tenant, user) = ("acme", 7);
    /// let key = IdempotencyKey::new("order-1")?;
    /// let call = PAY.scope(&(tenant, user)).key(&key).fingerprint("19.90");
    /// let paid = call.returning::<Result<u32, Error>>().run(|| async { Ok(1) }).await?;
    /// # assert_eq!(paid, 1);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "http"))] fn main() {}
    /// ```
    ///
    /// Give it by reference or by value. A header that a gateway sets is one too, as an `http::HeaderValue`.
    pub fn scope<K: Key>(self, scope: K) -> OperationInScope {
        const { assert_owner::<K>() };
        OperationInScope { operation: self, scope: Some(Box::new(KeyParts::of(&scope))) }
    }

    /// Says that all callers share their keys, so that whoever sends a key gets its result. A key that a
    /// client [chose](Key::CHOSEN_BY_CLIENT) must then be as hard to guess as a random UUID; one that
    /// [could be guessed](Key::is_guessable) is refused with [`InvalidKey`](crate::ErrorKind::InvalidKey)
    /// before anything runs.
    ///
    /// Say it for a service behind a gateway that authenticates callers. Otherwise use
    /// [`scope`](Self::scope). Keys that no client chose need neither.
    pub fn global_scope(self) -> OperationInScope {
        OperationInScope { operation: self, scope: None }
    }
}

impl OperationInScope {
    /// Starts a call with a key.
    ///
    /// The key is read at once, so nothing of it is borrowed afterwards.
    pub fn key<K: Key + ?Sized>(self, key: &K) -> CallBuilder {
        let parts = match self.scope {
            Some(_) => KeyParts::of(key),
            None => KeyParts::of_unguessable(key),
        };
        CallBuilder::new(self.operation, parts, self.scope)
    }
}

impl fmt::Debug for OperationInScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationInScope")
            .field("operation", &self.operation)
            .field("global_scope", &self.scope.is_none())
            .finish()
    }
}
