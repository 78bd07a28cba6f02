//! Keys as arguments: a reference, or a tuple of references for a key string. A `content(payload)` in it
//! becomes a `ContentKey`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Expr, ExprReference, Token, parse_quote_spanned};

use super::span::{Root, at};
use crate::check::{Key, Part, is_content_call};

/// The longest tuple that implements `Key`. Nesting does not change a key, so longer ones are nested.
const LONGEST_TUPLE: usize = 12;

pub(super) fn argument(root: &Root, key: &Key) -> TokenStream {
    let parts = match key {
        Key::Given(expr) => return by_reference(&by_content(root, expr)),
        Key::Text(parts) => parts,
    };
    let mut tokens: Vec<_> = parts.iter().map(|part| element(root, part)).collect();
    if let [only] = &parts[..] {
        let part = &tokens[0];
        return match only {
            Part::Formatted { format, .. } => {
                let here = at(format);
                quote_spanned!(here=> &#part)
            }
            _ => tokens.remove(0),
        };
    }
    while tokens.len() > LONGEST_TUPLE {
        tokens = tokens.chunks(LONGEST_TUPLE).map(tuple).collect();
    }
    let (here, tuple) = (at(&tokens[0]), tuple(&tokens));
    quote_spanned!(here=> &#tuple)
}

fn tuple(elements: &[TokenStream]) -> TokenStream {
    match elements {
        [only] => only.clone(),
        _ => {
            let here = at(&elements[0]);
            quote_spanned!(here=> (#(#elements),*))
        }
    }
}

fn element(root: &Root, part: &Part) -> TokenStream {
    match part {
        Part::Text(text) => text.to_token_stream(),
        Part::Value(value) => by_reference(&by_content(root, value)),
        Part::Formatted { format, value, names } => {
            let here = at(format);
            quote_spanned!(here=> ::core::format_args!(#format, #value #(, #names = #names)*))
        }
    }
}

/// `content(payload)`, alone or in a tuple, to `ContentKey::of(&payload)`.
fn by_content(root: &Root, expr: &Expr) -> Expr {
    let mut expr = expr.clone();
    replace_content(root, &mut expr);
    expr
}

fn replace_content(root: &Root, expr: &mut Expr) {
    match expr {
        Expr::Group(inner) => replace_content(root, &mut inner.expr),
        Expr::Paren(inner) => replace_content(root, &mut inner.expr),
        Expr::Reference(inner) => replace_content(root, &mut inner.expr),
        Expr::Tuple(tuple) => tuple.elems.iter_mut().for_each(|item| replace_content(root, item)),
        Expr::Call(call) if is_content_call(call) => {
            let here = at(call);
            let (root, payload) = (root.at(here), call.args.first().map(by_reference));
            *expr = parse_quote_spanned!(here=> #root::call::ContentKey::of(#payload));
        }
        _ => {}
    }
}

/// `&expr`, with parentheses where they are needed. A reference is not changed.
pub(super) fn by_reference(expr: &Expr) -> TokenStream {
    if let Expr::Reference(_) = expr {
        return expr.to_token_stream();
    }
    let reference = ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](at(expr)),
        mutability: None,
        expr: Box::new(expr.clone()),
    };
    reference.into_token_stream()
}
