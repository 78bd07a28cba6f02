//! The `Idempotency-Key` header, and other headers as keys.

mod entropy;
mod header_value;
mod idempotency_key;
mod invalid_key;
mod parse;
mod repetition;
mod words;

pub use self::idempotency_key::IdempotencyKey;
pub use self::invalid_key::InvalidKey;
