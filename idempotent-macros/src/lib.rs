//! The `#[idempotent]` attribute of `idempotent-core`.
