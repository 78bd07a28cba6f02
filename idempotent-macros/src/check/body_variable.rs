//! Options that name a variable of the body, which is made only after they are evaluated.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, Ident};

use super::arguments;
use super::correction::likely_key;
use super::key::{Key, Part};
use super::options::Options;
use super::value::{ungrouped, word};
use crate::errors::Errors;
use crate::parse::{Body, Function};

pub(super) fn check(options: &Options, function: &Function, errors: &mut Errors) {
    let Body::Opaque { block, .. } = &function.body else {
        return;
    };
    let arguments = arguments::names_with_self(function);
    let given = [
        ("key", options.key.as_ref().map(values).unwrap_or_default()),
        ("scope", options.scope.as_ref().map(values).unwrap_or_default()),
        ("fingerprint", options.fingerprint.iter().collect()),
        ("resume", options.resume.iter().collect()),
    ];
    for (option, values) in given {
        let mut variables = Vec::new();
        values.into_iter().for_each(|value| first_names(value, &mut variables));
        let made_in_body = variables.into_iter().find(|name| {
            !arguments.iter().any(|argument| *name == argument) && is_bound(block.stream(), name)
        });
        if let Some(name) = made_in_body {
            let instead = match likely_key(&arguments) {
                Some("self") => "self.id",
                Some(argument) => argument,
                None => "order.id",
            };
            errors.at(
                name,
                format_args!("`{name}` is a variable of the body, and `{option}` is evaluated before the body"),
                format_args!("write an expression of the arguments, as in `{option} = {instead}`"),
            );
        }
    }
}

fn values(key: &Key) -> Vec<&Expr> {
    match key {
        Key::Given(expr) => vec![expr],
        Key::Text(parts) => parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(_) => None,
                Part::Value(value) | Part::Formatted { value, .. } => Some(value),
            })
            .collect(),
    }
}

/// The names with which expressions such as `id`, `&id.text` and `(id, order.key())` begin. What else is in an
/// expression may have names of its own.
fn first_names<'e>(expr: &'e Expr, names: &mut Vec<&'e Ident>) {
    match ungrouped(expr) {
        Expr::Reference(inner) => first_names(&inner.expr, names),
        Expr::Paren(inner) => first_names(&inner.expr, names),
        Expr::Field(field) => first_names(&field.base, names),
        Expr::MethodCall(call) => first_names(&call.receiver, names),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| first_names(part, names)),
        expr => names.extend(word(expr)),
    }
}

/// Whether a `let` binds this name, in a pattern or alone.
fn is_bound(tokens: TokenStream, name: &Ident) -> bool {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if is_bound(group.stream(), name) => return true,
            TokenTree::Ident(keyword) if keyword == "let" => {
                let pattern = tokens.by_ref().take_while(|token| !ends_pattern(token)).collect();
                if mentions(pattern, name) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

fn ends_pattern(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), '=' | ':' | ';'))
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn a_variable_is_found_where_it_is_bound() {
        let bound =
            |body: &str| is_bound(body.parse().unwrap(), &Ident::new("id", Span::call_site()));
        assert!(bound("let id = order.id;"));
        assert!(bound("let (name, mut id): (u8, u8) = order;"));
        assert!(bound("if order.is_new() { let Some(id) = order.id else { return }; }"));
        assert!(!bound("let name = id; let order: id = 5; id"));
    }
}
