//! Options that cannot be combined, and options that the function requires.

use proc_macro2::Span;
use syn::{FnArg, GenericParam, Ident, ReceiverKind, Type};

use super::options::{Memoize, Options};
use super::signature::{borrows, has_impl_argument, mentions_self};
use crate::errors::Errors;
use crate::parse::{Body, Function};

pub(super) fn check(options: &Options, function: &Function, errors: &mut Errors) {
    if options.is_missing("key") && options.step.is_none() {
        let help = match options.singleton {
            Some(_) => "write the one key of all calls, as in `key = \"nightly\"`",
            None => "write the value that identifies the call, as in `key = order.id`",
        };
        errors.at_span(Span::call_site(), "`key` is missing", help);
    }
    if let (Some(ttl), Some(lease), None) = (&options.ttl, &options.lease, &options.step) {
        if ttl.known().zip(lease.known()).is_some_and(|(ttl, lease)| ttl < lease) {
            errors.at(
                ttl.tokens(),
                "`ttl` is shorter than `lease`",
                "write a `ttl` that is at least as long as the `lease`",
            );
        }
    }
    if let (Some(_), Some(global_scope), None) =
        (options.given("scope"), options.given("global_scope"), &options.step)
    {
        errors.at(
            global_scope,
            "`global_scope` cannot be combined with `scope`: one says that all callers share their keys, the other \
             whose each key is",
            "remove `global_scope` or `scope`",
        );
    }
    resume(options, errors);
    versions(options, errors);
    dispositions(options, errors);
    if options.step.is_none() {
        response(options, function, errors);
        grpc(options, errors);
    }
    if options.is_missing("name") {
        name(function, errors);
    }
    if options.detach.is_some() && options.is_missing("tx") && options.step.is_none() {
        detach(function, errors);
    }
}

/// Whoever finds such a call interrupted runs it again.
fn resume(options: &Options, errors: &mut Errors) {
    let (Some(resume), None) = (options.given("resume"), &options.step) else {
        return;
    };
    if options.guarantee.as_ref().is_some_and(|guarantee| guarantee == "AtMostOnce") {
        errors.at(
            resume,
            "`resume` cannot be combined with `guarantee = at_most_once`: a call that is resumed runs again",
            "remove `guarantee`, and write `guarantee = at_most_once` at those of its steps that must not run again",
        );
    }
    if options.given("tx").is_some() {
        errors.at(
            resume,
            "`resume` cannot be combined with `tx`: a transaction that was interrupted leaves nothing to resume",
            "remove `resume`",
        );
    }
}

fn versions(options: &Options, errors: &mut Errors) {
    let Some(accept) = options.given("accept") else {
        return;
    };
    if options.is_missing("version") {
        errors.at(
            accept,
            "`accept` requires `version`",
            "write the version of new results, as in `version = 2`",
        );
    }
    if let (Some((first, last)), Some(version)) = (options.accept, options.version) {
        if !(first..=last).contains(&version) {
            errors.at(
                accept,
                format_args!("`accept` must include `version = {version}`"),
                format_args!("write `accept = {}..={}`", first.min(version), last.max(version)),
            );
        }
    }
}

fn dispositions(options: &Options, errors: &mut Errors) {
    let Some(on_error) = options.given("on_error") else {
        return;
    };
    match &options.memoize {
        Memoize::Ok => {}
        Memoize::All(_) => errors.at(
            on_error,
            "`on_error` has no effect: `memoize = all` memoizes every error",
            "remove `on_error` or `memoize = all`",
        ),
        Memoize::By(_) => errors.at(
            on_error,
            "`on_error` has no effect: the function in `memoize` also decides about errors",
            "remove `on_error`, and decide about `Err` in the function in `memoize`",
        ),
    }
}

/// The status of a response decides what happens to its key, and refusals are responses.
fn response(options: &Options, function: &Function, errors: &mut Errors) {
    let Some(response) = options.given("response") else {
        return;
    };
    let others = [
        ("memoize", "the status of a response decides whether it is memoized"),
        ("on_error", "the status of a response decides what happens to the key"),
        ("map_error", "refusals are sent as problem details"),
        ("grpc", "one memoizes an HTTP response, the other a gRPC response"),
    ];
    for (name, why) in others {
        if let Some(other) = options.given(name) {
            errors.at(
                other,
                format_args!("`{name}` cannot be combined with `response`: {why}"),
                format_args!("remove `{name}` or `response`"),
            );
        }
    }
    if matches!(function.body, Body::AsyncTrait(_)) {
        errors.at(
            response,
            "`response` cannot be used under `#[async_trait]`, which has already fixed the return type",
            "move `#[idempotent]` to the handler, as a separate `async fn`",
        );
    }
}

/// The code of a status decides what happens to the key. Only `on_error` can change that.
fn grpc(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(memoize)) = (options.given("grpc"), options.given("memoize")) {
        errors.at(
            memoize,
            "`memoize` cannot be combined with `grpc`: the code of a status decides whether it is memoized",
            "remove `memoize`, or write `on_error = path` with the path of a `fn(&Status) -> Disposition`",
        );
    }
}

/// The default name is the path of the function, which would be ambiguous for these.
fn name(function: &Function, errors: &mut Errors) {
    let signature = &function.signature;
    let generic =
        signature.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    let what = if signature.receiver().is_some()
        || matches!(function.body, Body::AsyncTrait(_))
        || mentions_self(signature)
    {
        "a method must have a `name`: the default does not include the type"
    } else if generic || has_impl_argument(signature) {
        "a generic function must have a `name`, which all its type arguments share"
    } else {
        return;
    };
    let ident = plain(&signature.ident);
    errors.at(
        &signature.ident,
        what,
        format_args!("write a name that no other operation has, as in `name = \"shop.{ident}\"`"),
    );
}

/// The identifier without `r#`.
fn plain(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// A detached body outlives its caller, so it cannot borrow from it.
fn detach(function: &Function, errors: &mut Errors) {
    for input in &function.signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let borrowed = match &receiver.kind {
                    ReceiverKind::Reference(..) => true,
                    ReceiverKind::Typed(_, ty) => borrows(ty),
                    _ => false,
                };
                if borrowed {
                    errors.at(
                        receiver,
                        "`detach` lets the body outlive its caller, so it cannot borrow `self`",
                        "take `self: Arc<Self>`",
                    );
                }
            }
            FnArg::Typed(argument) if borrows(&argument.ty) => errors.at(
                &argument.ty,
                "`detach` lets the body outlive its caller, so it cannot borrow an argument",
                by_value(&argument.ty),
            ),
            FnArg::Typed(_) => {}
        }
    }
}

fn by_value(ty: &Type) -> &'static str {
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => "take it by value, as a `String`",
            Type::Slice(_) => "take it by value, as a `Vec`",
            _ => "take it by value, or in an `Arc`",
        },
        _ => "take it by value, without the lifetime",
    }
}
