//! The attribute and the function under it, parsed.

use proc_macro2::TokenStream;

use super::function::{self, Function};
use super::options::{self, Arguments};
use crate::errors::Errors;

/// What was written, whether it makes sense or not.
pub(crate) struct Parsed {
    pub(crate) arguments: Arguments,
    /// `None` if the attribute is on something else, which is reported.
    pub(crate) function: Option<Function>,
}

pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Parsed {
    Parsed { arguments: options::parse(args, errors), function: function::parse(item, errors) }
}
