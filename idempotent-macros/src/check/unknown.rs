//! Options that do not exist: what was probably meant.

use quote::{ToTokens, quote};
use syn::{Expr, Ident};

use super::suggest::nearest;
use super::value::{string, written};
use crate::errors::Errors;
use crate::parse::{ParsedOption, Value};

/// Words that other libraries, or people, use for an option, and what to write for them.
const SYNONYMS: [(&[&str], &str); 14] = [
    // An engine is made from a store, so the wrong word is easily taken.
    (&["store", "client", "backend"], "did you mean `engine`?"),
    (
        &["timeout", "deadline"],
        "write `wait` for how long a duplicate waits, or `max_run` for how long the body may run",
    ),
    (
        &["retry", "retries", "max_retries", "attempts", "backoff"],
        "the attribute does not retry: whoever calls the function does, with the same key",
    ),
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
            "keep_for",
        ],
        "did you mean `ttl`?",
    ),
    (&["id", "idempotency_key", "by"], "did you mean `key`?"),
    (&["lock", "lock_ttl", "lock_timeout"], "did you mean `lease`?"),
    (&["payload", "body", "hash", "digest", "request"], "did you mean `fingerprint`?"),
    (&["user", "owner", "tenant", "account", "namespace"], "did you mean `scope`?"),
    (&["spawn", "background"], "did you mean `detach`?"),
    (&["transaction", "transactional"], "did you mean `tx`?"),
    (&["status", "http", "axum"], "did you mean `response`?"),
    (&["tonic"], "did you mean `grpc`?"),
    (&["cache", "memo"], "did you mean `memoize`?"),
    (&["operation"], "did you mean `name`?"),
];

/// Reports a name that is none of the options.
pub(super) fn report(name: &Ident, options: &[&str], errors: &mut Errors) {
    let written = name.to_string();
    let synonym = SYNONYMS.iter().find(|(words, _)| words.contains(&written.as_str()));
    let help = match (synonym, nearest(&written, options)) {
        (Some((_, help)), _) => (*help).to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("the options are {}", list(options)),
    };
    errors.at(name, format_args!("unknown option `{name}`"), help);
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
