//! The fencing token that tells one attempt from every other.

use std::fmt;

/// The fencing token of one attempt: 128 random bits, fresh for every reservation.
///
/// Renewing, completing and releasing act only on a record that carries the same token, so an owner
/// whose lease lapsed cannot touch its successor's record.
///
/// ```
/// use idempotent_core::record::Token;
///
/// let token = Token::random();
/// assert_ne!(token, Token::random());
/// assert_eq!(token.to_string().len(), 32);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// A fresh token.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give, as `std`'s own `HashMap` does.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system provides randomness");
        Self(bytes)
    }

    /// The token with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The token's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}
