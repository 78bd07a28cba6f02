//! From tokens to what was written: options by name, and a function with its body unread.
//!
//! Nothing here knows what an option means.

mod function;
mod options;
mod pinned;

use proc_macro2::TokenStream;

pub(crate) use self::function::{Body, Function};
pub(crate) use self::options::{Arguments, Value, Written};
pub(crate) use self::pinned::Pinned;
use crate::errors::Errors;

/// What was written, whatever it means.
pub(crate) struct Parsed {
    pub(crate) arguments: Arguments,
    /// `None` when the attribute is on something else, which is reported.
    pub(crate) function: Option<Function>,
}

pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Parsed {
    Parsed { arguments: options::parse(args, errors), function: function::parse(item, errors) }
}
