//! [`survives`]: whether a value is replayed as it is.

use crate::call::{Memoizable, ReplayMismatch};
use crate::codec::Comparison;

/// Checks that a replay would return this value: encodes it as a result, reads it back, and compares
/// the two by `==`.
///
/// A test of a result type with a few of its values finds what calls would find one by one, where the
/// engine [verifies results](crate::IdempotencyBuilder::verify_results). Take values that fill every
/// field: what is `None` survives almost anything.
///
/// # Errors
///
/// [`ReplayMismatch`], which says why not and names the field.
///
/// ```
/// use idempotent_core::testing::survives;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Receipt {
///     id: u64,
///     note: Option<String>,
/// }
///
/// survives(&Receipt { id: 7, note: Some("gift".to_owned()) })?;
/// # Ok::<(), idempotent_core::call::ReplayMismatch>(())
/// ```
pub fn survives<T>(value: &T) -> Result<(), ReplayMismatch>
where
    T: Memoizable + PartialEq + std::fmt::Debug,
{
    Comparison::by_equality_and_debug().verify(value, None).map_err(|mismatch| *mismatch)
}

/// The same for a type that is not `PartialEq`: what was read back is encoded again, and the two
/// encodings are compared. This does not find what is encoded in the same way, such as a field with
/// `#[serde(skip)]`.
///
/// # Errors
///
/// Those of [`survives`].
///
/// ```
/// use idempotent_core::testing::encoding_survives;
///
/// encoding_survives(&(7, "seven".to_owned()))?;
/// # Ok::<(), idempotent_core::call::ReplayMismatch>(())
/// ```
pub fn encoding_survives<T: Memoizable>(value: &T) -> Result<(), ReplayMismatch> {
    Comparison::by_encoding().verify(value, None).map_err(|mismatch| *mismatch)
}
