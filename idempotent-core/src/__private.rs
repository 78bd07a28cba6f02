//! What the attribute's expansion uses. None of this is public API.

/// A value of any type, in code that never runs. It tells the compiler which type a body returns,
/// so that a wrong last expression causes one error, at that expression.
#[must_use]
pub fn output<R>() -> R {
    unreachable!("this is behind `if false`")
}

/// The return type of a handler with the flag `response`.
#[cfg(feature = "axum")]
pub type Response = axum::response::Response;

#[cfg(not(feature = "axum"))]
pub use crate::call::missing_feature::Response;
