//! [`Token`]: the fencing token that tells one attempt from every other.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many tokens to draw from the operating system at once: one request costs as much as twenty
/// tokens.
const POOL: usize = 32;

thread_local! {
    static TOKENS: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// The fencing token of one attempt: 128 random bits, fresh for every reservation.
///
/// Renewing, completing and releasing act only on a record that carries the same token, so an owner
/// whose lease lapsed cannot touch its successor's record.
///
/// ```
/// use idempotent_core::model::Token;
///
/// let token = Token::random();
/// assert_ne!(token, Token::random());
/// assert_eq!(token.to_string().len(), 32);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// Makes a fresh token.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give. `std`'s own `HashMap` panics then too.
    #[must_use]
    pub fn random() -> Self {
        Self::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Makes a fresh token, at a moment since 1970 that was just read from the clock. A forked process
    /// has a copy of its parent's pool, so the moment is mixed in.
    pub(crate) fn at(now: Duration) -> Self {
        Self((u128::from_ne_bytes(pooled()) ^ now.as_nanos()).to_ne_bytes())
    }

    /// The nth token that follows from this one, which nobody else has.
    pub(crate) fn nth(self, nth: u64) -> Self {
        Self(u128::from_ne_bytes(self.0).wrapping_add(nth.into()).to_ne_bytes())
    }

    /// A number whose order is that of the tokens that follow from one.
    pub(crate) const fn number(self) -> u128 {
        u128::from_ne_bytes(self.0)
    }

    /// Makes a token from its bytes.
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

/// Takes 16 random bytes out of this thread's pool, so no other token has them.
fn pooled() -> [u8; 16] {
    let taken = TOKENS.try_with(|pool| {
        pool.try_borrow_mut().ok().and_then(|mut pool| {
            if pool.is_empty() {
                let mut fresh = [0; 16 * POOL];
                fill(&mut fresh);
                pool.extend(
                    fresh.chunks_exact(16).filter_map(|token| <[u8; 16]>::try_from(token).ok()),
                );
            }
            pool.pop()
        })
    });
    taken.ok().flatten().unwrap_or_else(|| {
        let mut bytes = [0; 16];
        fill(&mut bytes);
        bytes
    })
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides randomness");
}
