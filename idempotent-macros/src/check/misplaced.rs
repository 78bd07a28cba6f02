//! Expressions that stand where an option is expected, such as `order.id` after `key = tenant,`.

use std::fmt::Display;
use std::iter::Peekable;
use std::vec::IntoIter;

use quote::{ToTokens, quote};
use syn::Expr;

use super::names::{FLAGS, NAMES, sample};
use super::value::{string, written};
use crate::errors::Errors;
use crate::parse::{ParsedOption, Value};

/// Takes the expressions that stand where an option is expected.
pub(super) fn take(rest: &mut Peekable<IntoIter<ParsedOption>>, arguments: &[String]) -> Vec<Expr> {
    let mut expressions = Vec::new();
    while let Some(option) =
        rest.peek().filter(|option| !NAMES.iter().any(|name| option.name == name))
    {
        let Some(expr) = expression(option, arguments) else { break };
        expressions.push(expr);
        rest.next();
    }
    expressions
}

/// An expression of an argument where an option is expected, such as `order.id` after `key = tenant,`.
fn expression(option: &ParsedOption, arguments: &[String]) -> Option<Expr> {
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
pub(super) fn report(
    before: Option<&ParsedOption>,
    expressions: &[Expr],
    has_key: bool,
    errors: &mut Errors,
) -> bool {
    let Some(first) = expressions.first() else {
        return false;
    };
    let texts: Vec<_> = expressions.iter().map(written).collect();
    let Some(before) = before else {
        let option = if has_key { "fingerprint" } else { "key" };
        let help = format!("write `{option} = {}`", tuple(&texts));
        errors.at(first, "expected the name of an option", help);
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
                    let value = [&[written(value)], &texts[..]].concat();
                    report_one(
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
            report_one(first, help, errors);
        }
        _ => report_one(first, format_args!("write `key = {}`", tuple(&texts)), errors),
    }
    false
}

fn report_one(expr: &Expr, help: impl Display, errors: &mut Errors) {
    let text = written(expr);
    let what = match expr {
        Expr::Path(_) => format!("`{text}` is an argument of the function, not an option"),
        _ => format!("`{text}` is an expression, not an option"),
    };
    errors.at(expr, what, help);
}

/// Reports the name of an argument that is the name of an option too, as in `key = order, name`.
pub(super) fn is_argument(
    option: &ParsedOption,
    arguments: &[String],
    errors: &mut Errors,
) -> bool {
    let name = option.name.to_string();
    let is_flag = FLAGS.contains(&name.as_str());
    let is_alone = matches!(option.value, Value::None) && arguments.contains(&name);
    if is_flag || !is_alone {
        return false;
    }
    errors.at(
        &option.name,
        format_args!("`{name}` needs a value"),
        format_args!(
            "write `{}`; if the argument `{name}` is meant, write a tuple, as in `key = (id, {name})`",
            sample(&name)
        ),
    );
    true
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
