//! What the documentation calls part of sameness, and what not: random pairs of requests that differ in one thing.
//!
//! `IDEMPOTENT_PAIRS=1000000 cargo test -p idempotent-tests --test http sameness` tries so many pairs.
//! `UPDATE_FINGERPRINT=1 cargo test -p idempotent-tests --test http sameness` writes the page again.

mod different;
mod equal;
mod json;
mod page;
mod property;
mod random;
mod sent;
