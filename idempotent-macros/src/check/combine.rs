//! Options that do not go together, and options that the function needs.

use proc_macro2::Span;
use syn::{FnArg, GenericParam, Ident, ReceiverKind, Type};

use super::duration::Length;
use super::options::{Memoize, Options};
use super::signature::{borrows, has_impl_argument, mentions_self};
use crate::errors::Errors;
use crate::parse::{Body, Function};

pub(super) fn check(options: &Options, function: &Function, errors: &mut Errors) {
    if options.lacks("key") {
        errors.at_span(
            Span::call_site(),
            "`key` is missing",
            "write what makes two calls the same, as in `key = order.id`",
        );
    }
    if let (Some(Length::Fixed(ttl, kept)), Some(Length::Fixed(_, lease))) =
        (&options.ttl, &options.lease)
    {
        if kept < lease {
            errors.at(
                ttl,
                "`ttl` is shorter than `lease`",
                "write a `ttl` that is at least the `lease`: a result is kept longer than its making is guarded",
            );
        }
    }
    versions(options, errors);
    dispositions(options, errors);
    response(options, function, errors);
    grpc(options, errors);
    if options.lacks("name") {
        name(function, errors);
    }
    if options.detach.is_some() && options.lacks("tx") {
        detach(function, errors);
    }
}

fn versions(options: &Options, errors: &mut Errors) {
    let Some(accept) = options.given("accept") else {
        return;
    };
    if options.lacks("version") {
        errors.at(
            accept,
            "`accept` needs a `version`",
            "write the version that new results get, as in `version = 2`",
        );
    }
    if let (Some((first, last)), Some(version)) = (options.accept, options.version) {
        if !(first..=last).contains(&version) {
            errors.at(
                accept,
                format_args!("`accept` leaves out `version = {version}`"),
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
            "`on_error` has nothing to decide: `memoize = all` keeps every error",
            "remove `on_error`, or `memoize = all`",
        ),
        Memoize::By(_) => errors.at(
            on_error,
            "`on_error` has nothing to decide: the function of `memoize` decides errors too",
            "remove `on_error` and answer for `Err` in the function of `memoize`",
        ),
    }
}

/// A response's status decides what becomes of its key, and refusals are responses.
fn response(options: &Options, function: &Function, errors: &mut Errors) {
    let Some(response) = options.given("response") else {
        return;
    };
    let others = [
        ("memoize", "the status of a response decides whether it is kept"),
        ("on_error", "the status of a response decides what becomes of the key"),
        ("map_error", "a refusal is answered as a problem"),
        ("grpc", "one keeps an HTTP response, the other a gRPC response"),
    ];
    for (name, why) in others {
        if let Some(other) = options.given(name) {
            errors.at(
                other,
                format_args!("`{name}` does not go with `response`: {why}"),
                format_args!("remove `{name}`, or `response`"),
            );
        }
    }
    if matches!(function.body, Body::Pinned(_)) {
        errors.at(
            response,
            "`response` changes the return type, which `#[async_trait]` has fixed",
            "put it on the handler, an `async fn` of its own",
        );
    }
}

/// A status says by its code what becomes of the key, and which codes mean what is for `on_error`.
fn grpc(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(memoize)) = (options.given("grpc"), options.given("memoize")) {
        errors.at(
            memoize,
            "`memoize` does not go with `grpc`: the code of a status decides whether it is kept",
            "remove it, or write `on_error = path` of a `fn(&Status) -> Disposition`",
        );
    }
}

/// The default name is the function's path, which says too little for these.
fn name(function: &Function, errors: &mut Errors) {
    let signature = &function.signature;
    let generic =
        signature.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    let what = if signature.receiver().is_some()
        || matches!(function.body, Body::Pinned(_))
        || mentions_self(signature)
    {
        "a method needs a `name`, since its default leaves out the type"
    } else if generic || has_impl_argument(signature) {
        "a generic function needs a `name`, since all its types share one"
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

/// A detached body outlives its caller, so it can borrow nothing of it.
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
