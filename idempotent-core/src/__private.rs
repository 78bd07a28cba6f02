//! What the attribute's expansion names and nobody else should.

/// A value of any type, in code that never runs. It tells the compiler what a body gives, so that a
/// wrong last expression is one error, on that expression.
#[must_use]
pub fn output<R>() -> R {
    unreachable!("this is behind `if false`")
}

/// What a handler with `response` returns.
#[cfg(feature = "axum")]
pub type Response = axum::response::Response;

#[cfg(not(feature = "axum"))]
pub use crate::operation::Response;
