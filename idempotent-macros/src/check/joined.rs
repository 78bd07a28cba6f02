//! A key or a scope whose parts are joined to one text, so that different parts make the same text.

use quote::ToTokens;
use syn::{Expr, LitStr};

use super::key::Key;
use super::options::Options;
use super::value::ungrouped;
use crate::errors::Errors;

pub(super) fn check(options: &Options, errors: &mut Errors) {
    for (name, key) in [("key", &options.key), ("scope", &options.scope)] {
        let Some(Key::Given(expr)) = key else { continue };
        let Some(template) = joined(expr) else { continue };
        let instead = match template.named {
            true => format!("write `{name} = {:?}`", template.text),
            false => {
                format!("write `{name} = (tenant, order)` or `{name} = \"{{tenant}}:{{order}}\"`")
            }
        };
        errors.at(
            expr.to_token_stream(),
            format_args!(
                "the parts of this {name} run into each other: `a:b` and `c` make the text of `a` and `b:c`"
            ),
            format_args!("{instead}, which keeps its parts apart"),
        );
    }
}

/// The text of a `format!` that joins parts.
struct Template {
    text: String,
    /// Whether each part is named in its braces, so that the text is a key as it stands.
    named: bool,
}

fn joined(expr: &Expr) -> Option<Template> {
    match ungrouped(expr) {
        Expr::Reference(inner) => joined(&inner.expr),
        Expr::Paren(inner) => joined(&inner.expr),
        Expr::Macro(call) if call.mac.path.is_ident("format") => {
            let first = call.mac.tokens.clone().into_iter().next()?;
            let text = syn::parse2::<LitStr>(first.into()).ok()?.value();
            let plain = text.replace("{{", "").replace("}}", "");
            let parts: Vec<_> = plain.split('{').skip(1).collect();
            let named =
                parts.iter().all(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_'));
            (parts.len() > 1).then_some(Template { text, named })
        }
        _ => None,
    }
}
