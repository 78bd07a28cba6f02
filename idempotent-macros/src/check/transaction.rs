//! `tx` and `guarantee = exactly_once`: each asks for the other, and for an argument that can be it.

use syn::{FnArg, Ident, Pat, PatIdent, Signature, Type};

use super::options::Options;
use super::suggest::nearest;
use crate::errors::Errors;
use crate::parse::Function;

const TYPES: &str =
    "take `&mut sqlx::Transaction<'_, sqlx::Postgres>`, or `&mut sqlx::PgConnection`";

pub(super) fn check(options: &mut Options, function: &Function, errors: &mut Errors) {
    let Some(option) = options.given("tx") else {
        if let Some(guarantee) = options.guarantee.as_ref().filter(|_| options.lacks("tx")) {
            if guarantee != "ExactlyOnce" {
                return;
            }
            errors.at(
                guarantee,
                "`exactly_once` is the promise of a transaction, and there is none",
                "add `tx = tx`, the name of an argument that is `&mut` transaction",
            );
        }
        return;
    };
    match &options.guarantee {
        Some(guarantee) if guarantee == "ExactlyOnce" => {}
        Some(other) => errors.at(
            other,
            "a call within a transaction takes effect exactly once",
            "write `guarantee = exactly_once`, or remove `tx`",
        ),
        None if options.lacks("guarantee") => errors.at(
            option,
            "`tx` needs `guarantee = exactly_once`",
            "write it beside `tx`, so that whoever reads this sees the promise",
        ),
        None => {}
    }
    alone(options, errors);
    if let Some(name) = options.tx.take() {
        options.tx = argument(&name, &function.signature, errors);
    }
}

/// What is about leases, or about what happens outside of a transaction.
fn alone(options: &Options, errors: &mut Errors) {
    let others = [
        ("lease", "a transaction ends with its connection, and holds no lease"),
        ("max_run", "a transaction ends with its connection, and nothing is renewed"),
        ("detach", "the body borrows the transaction, so it cannot outlive its caller"),
        ("response", "a response is sent when the handler returns, before anybody can commit"),
    ];
    for (name, why) in others {
        if let Some(other) = options.given(name) {
            errors.at(
                other,
                format_args!("`{name}` does not go with `tx`: {why}"),
                format_args!("remove `{name}`, or `tx` and `guarantee = exactly_once`"),
            );
        }
    }
}

/// The name as the argument has it, which is what the body means by it.
fn argument(name: &Ident, signature: &Signature, errors: &mut Errors) -> Option<Ident> {
    let found = arguments(signature).find(|(pattern, _)| pattern.ident == *name);
    let Some((pattern, ty)) = found else {
        let names: Vec<String> =
            arguments(signature).map(|(pattern, _)| pattern.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = match nearest(&name.to_string(), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{TYPES}, as an argument `{name}`"),
        };
        errors.at(name, format_args!("this function has no argument `{name}`"), help);
        return None;
    };
    if !matches!(ty, Type::Reference(reference) if reference.mutability.is_some()) {
        errors.at(
            ty,
            format_args!("`tx = {name}` names an argument that is no `&mut` reference"),
            TYPES,
        );
    }
    Some(pattern.ident.clone())
}

/// The arguments that have a name, which patterns of several have not.
fn arguments(signature: &Signature) -> impl Iterator<Item = (&PatIdent, &Type)> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => match (&*argument.pat, &*argument.ty) {
            (Pat::Ident(pattern), ty) => Some((pattern, ty)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}
