//! `tx` and `guarantee = exactly_once`: each requires the other, and `tx` a suitable argument.

use syn::{FnArg, Ident, Pat, PatIdent, Signature, Type};

use super::options::Options;
use super::suggest::nearest;
use crate::errors::Errors;
use crate::parse::Function;

const TYPES: &str =
    "take `&mut sqlx::Transaction<'_, sqlx::Postgres>`, or `&mut sqlx::PgConnection`";

pub(super) fn check(options: &mut Options, function: &Function, errors: &mut Errors) {
    let Some(option) = options.given("tx") else {
        if let Some(guarantee) = options.guarantee.as_ref().filter(|_| options.is_missing("tx")) {
            if guarantee != "ExactlyOnce" {
                return;
            }
            errors.at(
                guarantee,
                "`guarantee = exactly_once` requires `tx`",
                "add `tx = tx`, where `tx` is the argument with the transaction",
            );
        }
        return;
    };
    match &options.guarantee {
        Some(guarantee) if guarantee == "ExactlyOnce" => {}
        Some(other) => errors.at(
            other,
            "`tx` requires `guarantee = exactly_once`",
            "write `guarantee = exactly_once`, or remove `tx`",
        ),
        None if options.is_missing("guarantee") => errors.at(
            option,
            "`tx` requires `guarantee = exactly_once`",
            "add `guarantee = exactly_once`, so that readers see the promise",
        ),
        None => {}
    }
    incompatible(options, errors);
    if let Some(name) = options.tx.take() {
        options.tx = argument(&name, &function.signature, errors);
    }
}

/// Reports options that concern leases, or that do not work inside a transaction.
fn incompatible(options: &Options, errors: &mut Errors) {
    let others = [
        ("lease", "a transaction has no lease, since it ends with its connection"),
        ("max_run", "a transaction renews no lease, since it ends with its connection"),
        ("detach", "the body borrows the transaction, so it cannot outlive its caller"),
        ("response", "a response is sent when the handler returns, before the caller can commit"),
    ];
    for (name, why) in others {
        if let Some(other) = options.given(name) {
            errors.at(
                other,
                format_args!("`{name}` cannot be combined with `tx`: {why}"),
                format_args!("remove `{name}`, or remove `tx` and `guarantee = exactly_once`"),
            );
        }
    }
}

/// The name with the span of the argument, to which the body refers.
fn argument(name: &Ident, signature: &Signature, errors: &mut Errors) -> Option<Ident> {
    let found = arguments(signature).find(|(pattern, _)| pattern.ident == *name);
    let Some((pattern, ty)) = found else {
        let names: Vec<String> =
            arguments(signature).map(|(pattern, _)| pattern.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match nearest(&name.to_string(), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add an argument `{name}: &mut sqlx::Transaction<'_, sqlx::Postgres>`"),
        };
        errors.at(name, format_args!("this function has no argument `{name}`"), help);
        return None;
    };
    if !matches!(ty, Type::Reference(reference) if reference.mutability.is_some()) {
        errors.at(
            ty,
            format_args!("the argument of `tx = {name}` must be a `&mut` reference"),
            TYPES,
        );
    }
    Some(pattern.ident.clone())
}

/// The arguments that have a single name, which those with a pattern do not.
fn arguments(signature: &Signature) -> impl Iterator<Item = (&PatIdent, &Type)> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => match (&*argument.pat, &*argument.ty) {
            (Pat::Ident(pattern), ty) => Some((pattern, ty)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}
