//! `content(&payload)` in a key: a key by content.

use syn::{Expr, ExprCall};

use crate::errors::Errors;

/// Whether this is `content(…)`. A function of the user's own with that name is `self::content(…)`.
pub(crate) fn is_call(call: &ExprCall) -> bool {
    matches!(&*call.func, Expr::Path(path) if path.qself.is_none() && path.path.is_ident("content"))
}

/// Reports a call with another number of values than one.
pub(super) fn is_allowed(expr: &Expr, errors: &mut Errors) -> bool {
    match expr {
        Expr::Group(inner) => is_allowed(&inner.expr, errors),
        Expr::Paren(inner) => is_allowed(&inner.expr, errors),
        Expr::Reference(inner) => is_allowed(&inner.expr, errors),
        Expr::Tuple(tuple) => {
            // All of them are looked at, so that each is reported.
            let refused = tuple.elems.iter().filter(|element| !is_allowed(element, errors));
            refused.count() == 0
        }
        Expr::Call(call) if is_call(call) && call.args.len() != 1 => {
            let help = match call.args.is_empty() {
                true => "write the payload, as in `content(&order)`",
                false => "write a tuple, as in `content(&(order, amount))`",
            };
            errors.at(call, "`content` takes one value", help);
            false
        }
        _ => true,
    }
}
