//! From what was written to what is meant, or to every mistake in it.
//!
//! Options and signature are checked independently, then against each other. Only this phase can
//! make a [`Plan`], so nothing unchecked reaches the expansion.

mod combine;
mod duration;
mod key;
mod options;
mod signature;
mod suggest;
mod transaction;
mod value;

use syn::{Type, parse_quote};

pub(crate) use self::duration::Length;
pub(crate) use self::key::{Key, Part};
pub(crate) use self::options::{Memoize, Options};
use crate::errors::Errors;
use crate::parse::{Body, Function, Parsed};

/// A function and its options, with nothing wrong in either.
pub(crate) struct Plan {
    options: Options,
    key: Key,
    function: Function,
    output: Type,
}

impl Plan {
    pub(crate) fn into_parts(self) -> (Options, Key, Function, Type) {
        (self.options, self.key, self.function, self.output)
    }
}

/// `None` if there was a mistake, which is then in `errors`.
pub(crate) fn check(parsed: Parsed, errors: &mut Errors) -> Option<Plan> {
    let mut options = options::check(parsed.arguments, errors);
    let function = parsed.function?;
    signature::check(&function, options.response.is_some(), errors);
    combine::check(&options, &function, errors);
    transaction::check(&mut options, &function, errors);
    let output = output(&function);
    Some(Plan { key: options.key.take()?, options, output, function })
}

fn output(function: &Function) -> Type {
    match (&function.body, &function.signature.output) {
        (Body::Pinned(pinned), _) => pinned.output.clone(),
        (_, syn::ReturnType::Type(_, output)) => (**output).clone(),
        (_, syn::ReturnType::Default) => parse_quote!(()),
    }
}
