//! The `Idempotency-Key` header.

mod entropy;
mod idempotency_key;
mod invalid_key;
mod parse;
mod repetition;
mod words;

pub use self::idempotency_key::IdempotencyKey;
pub use self::invalid_key::InvalidKey;
