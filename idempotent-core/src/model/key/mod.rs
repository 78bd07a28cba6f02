//! What a key is (`key_trait`), which types are keys (`types`) and which are none (`floats`), and how a key
//! becomes bytes (`parts`, `decimal`, `inline_bytes`).

mod decimal;
mod floats;
mod inline_bytes;
mod key_trait;
mod parts;
mod types;

#[doc(hidden)]
pub use self::floats::{Exact, Float};
pub(crate) use self::inline_bytes::InlineBytes;
pub use self::key_trait::{AnyKey, Key};
pub use self::parts::KeyParts;
pub(crate) use self::parts::{KeyProblem, clip};
