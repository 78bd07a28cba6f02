//! The first statement: `let call = Operation::new(…)…;`.
//!
//! It evaluates every option, by reference and before the arguments move into the body. Each method
//! has the span of the value that it takes, so that compiler errors underline that value.

use std::time::Duration;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Signature, Type};

use super::span::{Root, at};
use super::{key, rewrite};
use crate::check::{Key, Length, Memoize, Options};

pub(super) fn statement(
    root: &Root,
    options: &Options,
    key: Option<&Key>,
    output: &Type,
    signature: &Signature,
) -> TokenStream {
    // By default these tokens have the span of the attribute. `memoize = all` has no value, and the
    // compiler blames the receiver of its method, which therefore gets the span of the word `all`.
    // `#[track_caller]` reports the place of the attribute in either case.
    let here = match &options.memoize {
        Memoize::All(all) => at(all),
        _ => Span::mixed_site(),
    };
    let root_here = root.at(here);
    let operation = match &options.name {
        Some(name) => {
            let name = name.value();
            quote_spanned!(here=> #root_here::Operation::new(#name))
        }
        None if options.step.is_some() => {
            let name = plain_name(signature);
            quote_spanned!(here=> #root_here::Operation::new(#name))
        }
        None => {
            let path = default_name(signature);
            quote_spanned!(here=> #root_here::Operation::from_path(#path))
        }
    };
    let policy = policy(root, options);
    let call = call(root, options, key);
    let returning = returning(options, output, here);
    let in_transaction =
        options.tx.as_ref().map(|tx| in_transaction(tx, is_compared(options, output)));
    quote_spanned!(here=> let call = #operation #policy #call #returning #in_transaction;)
}

/// The settings that are the same for every call of the operation.
fn policy(root: &Root, options: &Options) -> TokenStream {
    let mut chain = TokenStream::new();
    let lengths = [
        ("ttl", &options.ttl),
        ("lease", &options.lease),
        ("max_run", &options.max_run),
        ("wait", &options.wait),
    ];
    for (name, length) in lengths {
        chain.extend(length.as_ref().map(|length| length_method(name, length)));
    }
    // In a transaction there is only one guarantee.
    if let Some(guarantee) = options.guarantee.as_ref().filter(|_| options.tx.is_none()) {
        let here = at(guarantee);
        let root = root.at(here);
        chain.extend(quote_spanned!(here=> .guarantee(#root::Guarantee::#guarantee)));
    }
    let here = Span::mixed_site();
    if let Some(version) = options.version {
        chain.extend(quote_spanned!(here=> .version(#version)));
    }
    if let Some((first, last)) = options.accept {
        chain.extend(quote_spanned!(here=> .accept(#first, #last)));
    }
    chain
}

fn length_method(name: &str, length: &Length) -> TokenStream {
    match length {
        Length::Fixed(literal, duration) => {
            let here = at(literal);
            let (method, duration) = (format_ident!("{name}", span = here), fixed(*duration));
            quote_spanned!(here=> .#method(#duration))
        }
        Length::Given(expr) => {
            let here = at(expr);
            let method = format_ident!("{name}", span = here);
            quote_spanned!(here=> .#method(#expr))
        }
    }
}

/// A duration in the largest unit that needs no fraction.
fn fixed(duration: Duration) -> TokenStream {
    let here = Span::mixed_site();
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let millis = u64::try_from(duration.as_millis());
    let (method, value) = match (nanos, millis, u64::try_from(duration.as_nanos())) {
        (0, ..) => ("from_secs", seconds),
        (_, Ok(millis), _) if nanos % 1_000_000 == 0 => ("from_millis", millis),
        (.., Ok(nanos)) => ("from_nanos", nanos),
        _ => {
            let (seconds, nanos) = (unsuffixed(seconds), unsuffixed(nanos.into()));
            return quote_spanned!(here=> ::core::time::Duration::new(#seconds, #nanos));
        }
    };
    let (method, value) = (format_ident!("{method}", span = here), unsuffixed(value));
    quote_spanned!(here=> ::core::time::Duration::#method(#value))
}

fn unsuffixed(value: u64) -> Literal {
    Literal::u64_unsuffixed(value)
}

/// What identifies and concerns this one call.
fn call(root: &Root, options: &Options, key: Option<&Key>) -> TokenStream {
    let mut chain = TokenStream::new();
    if let Some(step) = &options.step {
        let here = at(step);
        chain.extend(quote_spanned!(here=> .step()));
    }
    // Before the key, so that the compiler can tell whether a client's key has an owner.
    if let Some(scope) = &options.scope {
        chain.extend(method("scope", &key::argument(root, scope)));
    } else if let Some(global_scope) = &options.global_scope {
        let here = at(global_scope);
        chain.extend(quote_spanned!(here=> .global_scope()));
    }
    chain.extend(key.map(|key| method("key", &key::argument(root, key))));
    if let Some(fingerprint) = &options.fingerprint {
        chain.extend(method("fingerprint", &key::by_reference(fingerprint)));
    }
    if let Some(resume) = &options.resume {
        chain.extend(method("resume", &key::by_reference(resume)));
    }
    if let Some(engine) = &options.engine {
        chain.extend(method("engine", &key::by_reference(engine)));
    }
    chain
}

fn method(name: &str, argument: &TokenStream) -> TokenStream {
    let here = at(argument);
    let name = format_ident!("{name}", span = here);
    quote_spanned!(here=> .#name(#argument))
}

/// The type of the result, and which results are memoized.
fn returning(options: &Options, output: &Type, end: Span) -> TokenStream {
    if let Some(response) = &options.response {
        let here = at(response);
        return quote_spanned!(here=> .returning_response());
    }
    let here = at(output);
    let (name, map) = match (&options.grpc, &options.map_error) {
        (None, None) => ("returning", TokenStream::new()),
        (None, Some(map)) => ("returning_or", map.to_token_stream()),
        (Some(_), None) => ("returning_grpc", TokenStream::new()),
        (Some(_), Some(map)) => ("returning_grpc_or", map.to_token_stream()),
    };
    let name = format_ident!("{name}", span = here);
    let arguments = quote_spanned!(end=> (#map));
    let mut chain = quote_spanned!(here=> .#name::<#output> #arguments);
    let is_compared = is_compared(options, output);
    if is_compared && options.tx.is_none() {
        let find = quote_spanned!(end=> (|results| results.compare_ok()));
        chain.extend(quote_spanned!(here=> .comparing #find));
    }
    let memoizes_errors = match &options.memoize {
        Memoize::Ok => quote!(),
        Memoize::All(all) => {
            let here = at(all);
            quote_spanned!(here=> .memoize_errors())
        }
        Memoize::By(path) => method("memoize", &path.to_token_stream()),
    };
    if is_compared && !memoizes_errors.is_empty() {
        chain.extend(memoizes_errors);
        chain.extend(quote_spanned!(here=> .comparing_errors(|results| results.compare_err())));
    } else {
        chain.extend(memoizes_errors);
    }
    if let Some(path) = &options.on_error {
        chain.extend(method("on_error", &path.to_token_stream()));
    }
    chain
}

/// Whether the compiler is to find how values are compared. It does so by their type, and so not for a
/// type that it has still to infer. The results of a gRPC method are not encoded by serde.
fn is_compared(options: &Options, output: &Type) -> bool {
    options.grpc.is_none() && !rewrite::is_inferred(output)
}

fn in_transaction(tx: &Ident, is_compared: bool) -> TokenStream {
    let here = at(tx);
    match is_compared {
        true => quote_spanned! {here=>
            .in_transaction_comparing(#tx, |results| results.compare_ok())
        },
        false => quote_spanned!(here=> .in_transaction(#tx)),
    }
}

/// The name of a step without a `name`: that of the function.
fn plain_name(signature: &Signature) -> String {
    signature.ident.to_string().trim_start_matches("r#").to_owned()
}

/// The name of an operation without a `name`: the path of the function.
fn default_name(signature: &Signature) -> TokenStream {
    let suffix = format!("::{}", plain_name(signature));
    let here = Span::mixed_site();
    quote_spanned!(here=> ::core::concat!(::core::module_path!(), #suffix))
}
