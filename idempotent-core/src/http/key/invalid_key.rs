//! What is wrong with the header of a key.

use std::fmt;

/// Why a request has no usable key. Every variant is answered with 400: [`Missing`](Self::Missing) has
/// the code `missing_key`, all others `invalid_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The header is missing.
    Missing,
    /// The header is repeated.
    Repeated,
    /// The value is a list. Proxies also join repeated header lines into one.
    List,
    /// The key is empty or blank.
    Empty,
    /// The key has more than [`IdempotencyKey::MAX_BYTES`](super::IdempotencyKey::MAX_BYTES) bytes.
    TooLong,
    /// The value has a character outside printable ASCII.
    Character,
    /// The value is neither an RFC 8941 String nor a bare key.
    Syntax,
    /// The key is so short that it could be guessed. Where keys have no scope, guessing a key would
    /// reveal somebody else's response.
    Weak,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the idempotency key is missing",
            Self::Repeated => "the idempotency key header is repeated: send one key",
            Self::List => "the idempotency key header is a list: send one key",
            Self::Empty => "the idempotency key is empty",
            Self::TooLong => "the idempotency key has more than 255 characters",
            Self::Character => "the idempotency key has a character outside printable ASCII",
            Self::Syntax => "the idempotency key is neither a quoted string nor a bare key",
            Self::Weak => "the idempotency key could be guessed: send a random UUID",
        })
    }
}

impl std::error::Error for InvalidKey {}
