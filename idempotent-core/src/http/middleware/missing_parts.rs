//! What the compiler says about a layer that lacks a part. Nothing implements these traits.

use super::layer::IdempotencyLayer;

/// A guarantee and a name, which a layer cannot be made without.
#[diagnostic::on_unimplemented(
    message = "an idempotency layer is made with a guarantee and a name",
    label = "there is no layer of an engine alone",
    note = "if a handler may run again when its process died: \
            `IdempotencyLayer::at_least_once(engine, \"shop\")`",
    note = "if it must never run again by itself: `IdempotencyLayer::at_most_once(engine, \"shop\")`",
    note = "then say who owns a key, with `.scope(…)` or `.global_scope()`"
)]
pub trait KnowsGuarantee {
    #[doc(hidden)]
    fn into_layer(self) -> IdempotencyLayer;
}

/// A scope, which a layer cannot guard a service without.
#[diagnostic::on_unimplemented(
    message = "the idempotency layer has no scope yet, and cannot guard anything without one",
    label = "this layer lacks its scope",
    note = "say who owns a key: `.scope(|parts| parts.extensions.get::<Account>().map(|account| account.id))`",
    note = "or, where all callers share their keys, `.global_scope()`"
)]
pub trait KnowsScope {}
