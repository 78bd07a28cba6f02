//! What is wrong with the header of a key.

use std::fmt;

/// Why a request has no usable key. Every variant is answered with 400: [`Missing`](Self::Missing) has
/// the code `missing_key`, [`TooLong`](Self::TooLong) `key_too_long`, all others `invalid_key`.
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
    /// The key is longer than the limit.
    TooLong {
        /// The limit: the engine's in a layer, otherwise
        /// [`IdempotencyKey::MAX_BYTES`](super::IdempotencyKey::MAX_BYTES).
        max_bytes: usize,
    },
    /// The value has a character outside printable ASCII.
    Character,
    /// The value is neither an RFC 8941 String nor a bare key.
    Syntax,
    /// The key is so short or so regular that it could be guessed. Where keys have no scope, guessing a key would
    /// reveal somebody else's response.
    Weak,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Missing => "the idempotency key is missing",
            Self::Repeated => "the idempotency key header is repeated: send one key",
            Self::List => "the idempotency key header is a list: send one key",
            Self::Empty => "the idempotency key is empty",
            Self::TooLong { max_bytes } => {
                return write!(f, "the idempotency key has more than {max_bytes} characters");
            }
            Self::Character => "the idempotency key has a character outside printable ASCII",
            Self::Syntax => "the idempotency key is neither a quoted string nor a bare key",
            Self::Weak => "the idempotency key could be guessed: send a random UUID",
        };
        f.write_str(text)
    }
}

impl std::error::Error for InvalidKey {}
