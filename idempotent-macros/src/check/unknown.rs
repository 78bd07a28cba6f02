//! Options that do not exist: what was probably meant.

use quote::{ToTokens, quote};
use syn::{Expr, Ident};

use super::suggest::nearest;
use super::value::{string, written};
use crate::errors::Errors;
use crate::parse::{ParsedOption, Value};

/// Words for an option that other libraries use, or that come to mind.
const SYNONYMS: [(&[&str], &str); 13] = [
    // An engine is made from a store, so the wrong word is easily taken.
    (&["store", "backend"], "engine"),
    (
        &[
            "expire",
            "expires",
            "expires_in",
            "expires_after",
            "expire_after",
            "expiry",
            "expiration",
            "retention",
        ],
        "ttl",
    ),
    (&["id", "idempotency_key", "by"], "key"),
    (&["lock", "lock_ttl", "lock_timeout"], "lease"),
    (&["payload", "body", "hash", "digest"], "fingerprint"),
    (&["user", "owner", "tenant", "account", "namespace"], "scope"),
    (&["spawn", "background"], "detach"),
    (&["transaction", "transactional"], "tx"),
    (&["status", "http", "axum"], "response"),
    (&["tonic"], "grpc"),
    (&["cache", "memo"], "memoize"),
    (&["operation"], "name"),
    (&["schema"], "version"),
];

/// Reports a name that is none of the options, and returns the option that was probably meant.
pub(super) fn report<'n>(
    name: &Ident,
    options: &[&'n str],
    errors: &mut Errors,
) -> Option<&'n str> {
    let written = name.to_string();
    let help = match written.as_str() {
        "timeout" | "deadline" => Some(
            "write `wait` for how long a duplicate waits, or `max_run` for how long the body may run",
        ),
        "retry" | "retries" | "max_retries" | "attempts" | "backoff" => Some(
            "the attribute does not retry: the caller does, by calling again with the same key",
        ),
        _ => None,
    };
    let what = format!("unknown option `{name}`");
    if let Some(help) = help {
        errors.at(name, what, help);
        return None;
    }
    let synonym = SYNONYMS.iter().find(|(words, _)| words.contains(&written.as_str()));
    let meant = match synonym {
        Some((_, option)) => options.iter().find(|name| *name == option).copied(),
        None => nearest(&written, options),
    };
    match meant {
        Some(meant) => errors.at(name, what, format_args!("did you mean `{meant}`?")),
        None => errors.at(name, what, format_args!("the options are {}", list(options))),
    }
    meant
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// An expression of an argument where an option is expected, such as `order.id` after `key = tenant,`.
pub(super) fn misplaced(option: &ParsedOption, arguments: &[String]) -> Option<Expr> {
    let name = &option.name;
    let tokens = match &option.value {
        Value::None => name.to_token_stream(),
        Value::Rest(rest) => quote!(#name #rest),
        Value::Expr(_) | Value::Unreadable => return None,
    };
    if !arguments.iter().any(|argument| name == argument) {
        return None;
    }
    syn::parse2(tokens).ok()
}

/// Reports such expressions in a row. Returns whether they were meant for the key string before them, so that it
/// needs no error of its own.
pub(super) fn report_misplaced(
    before: Option<&ParsedOption>,
    expressions: &[Expr],
    has_key: bool,
    errors: &mut Errors,
) -> bool {
    let Some(first) = expressions.first() else {
        return false;
    };
    let texts: Vec<_> = expressions.iter().map(|expr| written(expr.to_token_stream())).collect();
    let Some(before) = before else {
        let value = tuple(&texts);
        errors.at(first, "expected the name of an option", format_args!("write `key = {value}`"));
        return false;
    };
    let name = &before.name;
    match &before.value {
        Value::Expr(value) if name == "key" || name == "scope" || name == "fingerprint" => {
            match string(value) {
                Some(literal) if name != "fingerprint" => {
                    errors.at(
                        literal,
                        "a key string has no positional arguments",
                        format_args!("write `{name} = \"{}\"`", filled(&literal.value(), &texts)),
                    );
                    return true;
                }
                _ => {
                    let value = [&[written(value.to_token_stream())], &texts[..]].concat();
                    is_argument(
                        first,
                        format_args!("write a tuple: `{name} = {}`", tuple(&value)),
                        errors,
                    );
                }
            }
        }
        _ if has_key => {
            let help =
                format!("write the option that it is for, as in `fingerprint = {}`", tuple(&texts));
            is_argument(first, help, errors);
        }
        _ => is_argument(first, format_args!("write `key = {}`", tuple(&texts)), errors),
    }
    false
}

fn is_argument(expr: &Expr, help: impl std::fmt::Display, errors: &mut Errors) {
    let text = written(expr.to_token_stream());
    let what = match expr {
        Expr::Path(_) => format!("`{text}` is an argument of the function, not an option"),
        _ => format!("`{text}` is an expression, not an option"),
    };
    errors.at(expr, what, help);
}

fn tuple(texts: &[String]) -> String {
    match texts {
        [only] => only.clone(),
        several => format!("({})", several.join(", ")),
    }
}

/// The key string with the expressions in its empty braces, and the rest of them behind it.
fn filled(text: &str, expressions: &[String]) -> String {
    let mut filled = text.to_owned();
    for expression in expressions {
        match filled.find("{}") {
            Some(at) => filled.insert_str(at + 1, expression),
            None => filled = format!("{filled}:{{{expression}}}"),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_braces_are_filled_in_order() {
        let texts = ["a".to_owned(), "b.id".to_owned()];
        assert_eq!(filled("x:{}:{}", &texts), "x:{a}:{b.id}");
        assert_eq!(filled("x:{}", &texts), "x:{a}:{b.id}");
    }
}
