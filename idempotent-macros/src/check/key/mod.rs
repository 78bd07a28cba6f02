//! Keys: an expression, or a string with expressions in its braces.

mod braces;
mod format_spec;
mod key_string;

pub(super) use self::key_string::check;
pub(crate) use self::key_string::{Key, Part};
