//! A key, which is an expression or a key string, and the parts of a key string.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ExprLit, Ident, Lit, LitStr};

use super::braces::{self, Piece};
use super::{content, format_spec};
use crate::check::value::string;
use crate::errors::Errors;

/// What identifies a call.
pub(crate) enum Key {
    Given(Expr),
    /// A key string, part by part.
    Text(Vec<Part>),
}

impl Key {
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Given(expr) => expr.to_token_stream(),
            Self::Text(parts) => parts.iter().map(Part::tokens).collect(),
        }
    }
}

/// One part of a key string. Parts stay separate: they are not joined into one string.
pub(crate) enum Part {
    Text(LitStr),
    Value(Expr),
    /// A value with a format spec, and the names that the spec reads.
    Formatted {
        format: LitStr,
        value: Expr,
        names: Vec<Ident>,
    },
}

impl Part {
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Text(text) => text.to_token_stream(),
            Self::Value(value) | Self::Formatted { value, .. } => value.to_token_stream(),
        }
    }
}

pub(in crate::check) fn check(value: Expr, errors: &mut Errors) -> Option<Key> {
    let Some(literal) = string(&value) else {
        return is_allowed(&value, errors).then_some(Key::Given(value));
    };
    let text = literal.value();
    if text.is_empty() {
        errors.at(
            literal,
            "a key cannot be empty",
            "write the value that identifies the call, as in `\"order:{order.id}\"`",
        );
        return None;
    }
    let pieces = match braces::pieces(&text) {
        Ok(pieces) => pieces,
        Err(fault) => {
            let span = span_of(literal, &text, &fault.at);
            errors.at_span(span, fault.what, fault.help);
            return None;
        }
    };
    // Check every part before collecting, so that all mistakes are reported.
    let parts: Vec<_> =
        pieces.into_iter().map(|piece| part(literal, &text, piece, errors)).collect();
    parts.into_iter().collect::<Option<_>>().map(Key::Text)
}

fn part(literal: &LitStr, text: &str, piece: Piece<'_>, errors: &mut Errors) -> Option<Part> {
    let (source, format, at) = match piece {
        Piece::Text(text) => return Some(Part::Text(LitStr::new(&text, literal.span()))),
        Piece::Value { source, format, at } => (source, format, at),
    };
    let span = span_of(literal, text, &at);
    let value = expression(source, span, errors);
    let value = value.filter(|value| is_allowed(value, errors));
    let Some(format) = format.filter(|format| !format.trim().is_empty()) else {
        return value.map(Part::Value);
    };
    match format_spec::check(format) {
        Ok(names) => Some(Part::Formatted {
            format: LitStr::new(&format!("{{:{format}}}"), literal.span()),
            value: value?,
            names: names.iter().map(|name| ident(name, span)).collect(),
        }),
        Err(fault) => {
            let what = format!("invalid format spec `{format}`: {}", fault.what);
            errors.at_span(span, what, fault.help.replace("{value}", source.trim()));
            None
        }
    }
}

/// Reports what no key can be, however it is spelled.
fn is_allowed(value: &Expr, errors: &mut Errors) -> bool {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Float(literal), .. }) => {
            errors.at(
                literal,
                "floats are no keys: use cents, or an id",
                "write an integer, such as cents, or the part that identifies the call, such as `order.id`",
            );
            false
        }
        _ => content::is_allowed(value, errors),
    }
}

fn expression(source: &str, span: Span, errors: &mut Errors) -> Option<Expr> {
    let parsed = TokenStream::from_str(source)
        .map_err(|error| error.to_string())
        .and_then(|tokens| syn::parse2(respanned(tokens, span)).map_err(|error| error.to_string()));
    match parsed {
        Ok(expr) => Some(expr),
        Err(error) => {
            errors.at_span(
                span,
                format_args!("`{source}` is not a valid expression: {error}"),
                "write an expression in the braces, or `{{` and `}}` for literal braces",
            );
            None
        }
    }
}

fn ident(name: &str, span: Span) -> Ident {
    syn::parse_str::<Ident>(name)
        .map_or_else(|_| Ident::new_raw(name, span), |_| Ident::new(name, span))
}

/// Gives the tokens of an expression the span of the string, so that compiler errors underline it.
fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let respan = |mut tree: TokenTree| {
        if let TokenTree::Group(group) = &tree {
            let inside = respanned(group.stream(), span);
            tree = Group::new(group.delimiter(), inside).into();
        }
        tree.set_span(span);
        tree
    };
    tokens.into_iter().map(respan).collect()
}

/// The span of a piece, if the toolchain can tell, or else of the whole string.
fn span_of(literal: &LitStr, text: &str, at: &Range<usize>) -> Span {
    let token = literal.token();
    let escaped = token.to_string() != format!("\"{text}\"");
    let place = if escaped { None } else { token.subspan(at.start + 1..at.end + 1) };
    place.unwrap_or_else(|| literal.span())
}
