//! Keys: an expression, or a string with expressions in its braces.

mod braces;
mod content;
mod format_spec;
mod key_string;

pub(crate) use self::content::is_call as is_content_call;
pub(super) use self::key_string::check;
pub(crate) use self::key_string::{Key, Part};
