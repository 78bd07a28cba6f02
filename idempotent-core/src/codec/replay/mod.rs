//! Whether a result survives its record: it is encoded, read back and compared.
//!
//! Serde lets a type write one form and read another, and the first caller never notices: only a
//! replay does. `verify` compares; `difference` finds the field in two encodings, `location` where
//! encoding or decoding stopped, and `shown` a field that is not encoded at all. `mismatch` says it.

mod difference;
mod location;
mod mismatch;
mod path;
mod shown;
mod verify;

pub use self::mismatch::ReplayMismatch;
pub use self::verify::Comparison;
