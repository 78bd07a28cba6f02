//! The first step of building a layer: guarantee and name. The second step is the scope.

use std::fmt;

use http::request::Parts;
use tower_layer::Layer;

use super::layer::IdempotencyLayer;
use super::missing_parts::{KnowsGuarantee, KnowsScope};
use super::scope::Scope;
use crate::{Guarantee, Idempotency, Key, Operation};

/// An [`IdempotencyLayer`] that still lacks its scope, and is therefore not a layer yet.
///
/// It has no options: `required`, `wait`, `ttl` and all others are those of [`IdempotencyLayer`], so call them after
/// [`scope`](Self::scope), [`scope_ref`](Self::scope_ref) or [`global_scope`](Self::global_scope). Before it, the
/// compiler says that there is no such method (E0599).
#[derive(Clone)]
#[must_use = "say who owns a key, with `scope` or `global_scope`"]
pub struct LayerWithoutScope {
    engine: Idempotency,
    operation: Operation,
}

impl IdempotencyLayer {
    /// A layer that runs a handler again, once its lease has expired, if the process died meanwhile.
    ///
    /// `name` is part of the identity of every key: two layers with the same name share their keys.
    #[track_caller]
    pub const fn at_least_once(engine: Idempotency, name: &'static str) -> LayerWithoutScope {
        LayerWithoutScope { engine, operation: Operation::new(name) }
    }

    /// A layer that never runs a handler again by itself if the process died meanwhile: retries get 423
    /// until somebody [resolves](Idempotency::resolve) the outcome.
    ///
    /// `name` is part of the identity of every key: two layers with the same name share their keys.
    #[track_caller]
    pub const fn at_most_once(engine: Idempotency, name: &'static str) -> LayerWithoutScope {
        let operation = Operation::new(name).guarantee(Guarantee::AtMostOnce);
        LayerWithoutScope { engine, operation }
    }
}

impl IdempotencyLayer {
    /// There is no such layer. The trait says what to write instead.
    #[doc(hidden)]
    pub fn new<E: KnowsGuarantee>(engine: E) -> Self {
        engine.into_layer()
    }
}

/// There is no such service. The trait says what to write instead.
#[doc(hidden)]
impl<S: KnowsScope> Layer<S> for LayerWithoutScope {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

impl LayerWithoutScope {
    /// Says who owns a request's key: who acts, and for whom. Different owners can use the same key without
    /// meeting.
    ///
    /// Give the tenant *and* the principal, as a tuple. Under a tenant alone, colleagues who send the same key
    /// get each other's responses. That is right only where everybody in the tenant may see them all, and
    /// where a retry may come from another principal than the first request: from several workers of one
    /// tenant, for instance, that have an account each.
    ///
    /// Return a *stable* principal, as established by authentication outside of this layer, and never
    /// the bearer token itself, which changes when it is refreshed. A request for which the scope is
    /// `None` is refused with 400 `missing_scope`.
    ///
    /// The closure returns an owned value. To borrow one from the request, use
    /// [`scope_ref`](Self::scope_ref).
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// # #[derive(Clone)] struct Caller { tenant: u64, user: u64 }
    /// use http::request::Parts;
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop").scope(|parts: &Parts| {
    ///     parts.extensions.get::<Caller>().map(|caller| (caller.tenant, caller.user))
    /// });
    /// ```
    pub fn scope<K: Key>(
        self,
        scope: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> IdempotencyLayer {
        IdempotencyLayer::of(self.engine, self.operation, Scope::of(scope))
    }

    /// Like [`scope`](Self::scope), for an owner that is borrowed from the request. A closure for `scope` cannot
    /// return what it borrows, and the compiler's advice to write `move` does not help.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// # #[derive(Clone)] struct Account { name: String }
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .scope_ref(|parts| parts.extensions.get::<Account>().map(|account| &account.name));
    /// ```
    pub fn scope_ref<K: Key + ?Sized>(
        self,
        scope: impl Fn(&Parts) -> Option<&K> + Send + Sync + 'static,
    ) -> IdempotencyLayer {
        IdempotencyLayer::of(self.engine, self.operation, Scope::of_ref(scope))
    }

    /// Uses one scope for all callers. A key is then a capability, because whoever sends it gets its
    /// response, so it must be as hard to guess as a random UUID: it must have at least 100 bits of
    /// [entropy](crate::http::IdempotencyKey::entropy_bits), or what
    /// [`min_key_entropy`](IdempotencyLayer::min_key_entropy) says.
    ///
    /// Use it for a service behind a gateway that authenticates callers. Otherwise set a
    /// [`scope`](Self::scope).
    pub fn global_scope(self) -> IdempotencyLayer {
        IdempotencyLayer::of(self.engine, self.operation, Scope::GLOBAL)
    }
}

impl fmt::Debug for LayerWithoutScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerWithoutScope")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}
