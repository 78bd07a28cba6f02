//! [`Plan`]: a function and its options, checked.

use syn::Type;

use super::key::Key;
use super::options::{self, Options};
use super::{body_variable, combinations, constant, fresh, joined, signature, step, transaction};
use crate::errors::Errors;
use crate::parse::{Body, Function, Parsed};

/// A function and its options, without a mistake in either.
pub(crate) struct Plan {
    options: Options,
    /// Only a step may have none.
    key: Option<Key>,
    function: Function,
    output: Type,
}

impl Plan {
    pub(crate) fn into_parts(self) -> (Options, Option<Key>, Function, Type) {
        (self.options, self.key, self.function, self.output)
    }
}

/// Returns `None` only if there was a mistake. All mistakes are in `errors`.
pub(crate) fn check(parsed: Parsed, errors: &mut Errors) -> Option<Plan> {
    let mut options = options::check(parsed.arguments, parsed.function.as_ref(), errors);
    let function = parsed.function?;
    if matches!(function.body, Body::Missing) {
        // Whatever else is wrong with it has to be right elsewhere.
        signature::missing_body(&function.signature, errors);
        return None;
    }
    signature::check(&function, options.response.is_some(), errors);
    combinations::check(&options, &function, errors);
    constant::check(&options, &function, errors);
    body_variable::check(&options, &function, errors);
    fresh::check(&options, &function, errors);
    joined::check(&options, errors);
    match options.step {
        Some(_) => step::check(&options, errors),
        None => transaction::check(&mut options, &function, errors),
    }
    let output = signature::output(&function);
    let key = options.key.take();
    if key.is_none() && options.step.is_none() {
        return None;
    }
    Some(Plan { key, options, output, function })
}
