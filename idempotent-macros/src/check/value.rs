//! Values that must be of a certain kind: words, paths, names, numbers.

use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, ExprStruct, Ident, Lit, LitStr, Path, RangeLimits};

use super::suggest::nearest;
use crate::errors::Errors;

/// An expression that a `macro_rules!` passed on is inside an invisible group.
pub(super) fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}

pub(super) fn string(expr: &Expr) -> Option<&LitStr> {
    match ungrouped(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
        _ => None,
    }
}

/// The word, if this expression is a single word.
pub(super) fn word(expr: &Expr) -> Option<&Ident> {
    match ungrouped(expr) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// The path of a function.
pub(super) fn function(
    option: &str,
    signature: &str,
    value: &Expr,
    errors: &mut Errors,
) -> Option<ExprPath> {
    match ungrouped(value) {
        Expr::Path(path) if is_disposition(path) && option != "map_error" => {
            disposition(option, signature, path, errors);
            None
        }
        Expr::Path(path) => Some(path.clone()),
        Expr::Call(call) if matches!(*call.func, Expr::Path(_)) => {
            errors.at(
                call,
                format_args!("`{option}` must be the path of a function, and this is a call"),
                format_args!("write `{option} = {}`, without its arguments", written(&call.func)),
            );
            None
        }
        Expr::Lit(ExprLit { lit: Lit::Str(quoted), .. }) if quoted.parse::<Path>().is_ok() => {
            errors.at(
                quoted,
                format_args!("`{option}` must be the path of a function, and this is a string"),
                format_args!("write `{option} = {}`, without quotes", quoted.value()),
            );
            None
        }
        Expr::Struct(variant) if option == "map_error" => {
            struct_variant(variant, errors);
            None
        }
        other => {
            errors.at(
                other,
                format_args!("`{option}` must be the path of a function"),
                format_args!("define a function of type `{signature}` and write its path"),
            );
            None
        }
    }
}

/// `Disposition::Release`, by however long a path. Its functions begin with a small letter.
fn is_disposition(path: &ExprPath) -> bool {
    let mut segments = path.path.segments.iter().rev();
    let variant = segments.next().map(|segment| segment.ident.to_string());
    let is_variant = variant.is_some_and(|name| name.starts_with(char::is_uppercase));
    is_variant && segments.next().is_some_and(|segment| segment.ident == "Disposition")
}

fn disposition(option: &str, signature: &str, path: &ExprPath, errors: &mut Errors) {
    let value = written(path);
    let help = if option == "on_error" && value.ends_with("::Release") {
        "remove `on_error`: to release the key is the default".to_owned()
    } else {
        let function = signature.replacen("fn(", "fn always(_: ", 1);
        format!(
            "write a function, and its path: `{function} {{ {value} }}` and `{option} = always`"
        )
    };
    errors.at(
        path,
        format_args!("`{option}` must be the path of a function, and `{value}` is a value"),
        help,
    );
}

/// Tokens as a user writes them, which other compilers than the one that read them print with spaces.
pub(super) fn written(tokens: impl ToTokens) -> String {
    tokens
        .to_token_stream()
        .to_string()
        .replace(" . ", ".")
        .replace(" :: ", "::")
        .replace("& ", "&")
}

/// A tuple variant is a function. One with named fields is none, and the compiler advises to name them.
fn struct_variant(variant: &ExprStruct, errors: &mut Errors) {
    let path = variant.path.to_token_stream().to_string().replace(' ', "");
    let field = variant.fields.first().map(|field| field.member.to_token_stream().to_string());
    let field = field.as_deref().unwrap_or("source");
    errors.at(
        variant,
        "`map_error` must be the path of a function, and a variant with named fields is none",
        format_args!(
            "write a function, and its path: `fn refused({field}: idempotent_core::Error) -> E {{ {path} {{ {field} }} }}` \
             and `map_error = refused`"
        ),
    );
}

pub(super) fn guarantee(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    const NAMES: [&str; 3] = ["at_least_once", "at_most_once", "exactly_once"];
    let found = word(value).map(|word| (word.to_string(), word.span()));
    if let Some((name, span)) = &found {
        match name.as_str() {
            "at_least_once" => return Some(Ident::new("AtLeastOnce", *span)),
            "at_most_once" => return Some(Ident::new("AtMostOnce", *span)),
            "exactly_once" => return Some(Ident::new("ExactlyOnce", *span)),
            _ => {}
        }
    }
    let text = string(value).map(LitStr::value);
    let quoted = text.as_deref().and_then(|text| nearest(text, &NAMES));
    let meant = found.and_then(|(name, _)| nearest(&name, &NAMES));
    let help = match (quoted, meant) {
        (Some(name), _) => format!("write `guarantee = {name}`, without quotes"),
        (None, Some(name)) => format!("did you mean `{name}`?"),
        (None, None) => {
            "`at_least_once` runs again after a crash; `at_most_once` refuses until someone \
                         resolves the key; `exactly_once` commits the effect and its record in \
                         one transaction"
                .to_owned()
        }
    };
    errors.at(value, "`guarantee` must be `at_least_once`, `at_most_once` or `exactly_once`", help);
    None
}

/// The name of one of the function's arguments.
pub(super) fn argument(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    let word = word(value).cloned();
    if word.is_none() {
        errors.at(
            value,
            "`tx` must be the name of an argument",
            "write `tx = tx`, where `tx` is the argument with the transaction",
        );
    }
    word
}

pub(super) fn name(value: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let Some(literal) = string(value) else {
        errors.at(
            value,
            "`name` must be a string literal",
            "write a name that never changes, as in `name = \"shop.charge\"`",
        );
        return None;
    };
    let name = literal.value();
    let what = if name.is_empty() {
        "`name` cannot be empty"
    } else if name.len() > 128 {
        "`name` cannot be longer than 128 bytes"
    } else if name.contains(char::is_whitespace) {
        "`name` cannot contain spaces"
    } else if name.contains(['{', '}']) {
        "`name` cannot contain braces: it is the same for every call"
    } else if name.contains(char::is_control) {
        "`name` cannot contain control characters"
    } else {
        return Some(literal.clone());
    };
    errors.at(
        literal,
        what,
        "write a short name that never changes, as in `name = \"shop.charge\"`",
    );
    None
}

pub(super) fn version(value: &Expr, errors: &mut Errors) -> Option<u32> {
    let version = integer(value);
    if version.is_none() {
        errors.at(
            value,
            "`version` must be an integer from 0 to 4294967295",
            "write `version = 1`, and increase it whenever the result's type changes",
        );
    }
    version
}

/// `1..=2`: the first and the last version.
pub(super) fn accept(value: &Expr, errors: &mut Errors) -> Option<(u32, u32)> {
    let help = "write the first and the last version, as in `accept = 1..=2`";
    let Expr::Range(range) = ungrouped(value) else {
        errors.at(value, "`accept` must be a range of versions", help);
        return None;
    };
    let ends = (
        range.start.as_deref().and_then(integer),
        range.end.as_deref().and_then(integer),
        &range.limits,
    );
    let (Some(first), Some(last), RangeLimits::Closed(_)) = ends else {
        errors.at(value, "`accept` must be a range of two integers with `..=`", help);
        return None;
    };
    if first > last {
        errors.at(value, "`accept` cannot be an empty range", help);
        return None;
    }
    Some((first, last))
}

fn integer(expr: &Expr) -> Option<u32> {
    match ungrouped(expr) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. })
            if matches!(number.suffix(), "" | "u32") =>
        {
            number.base10_parse().ok()
        }
        _ => None,
    }
}

pub(super) fn path(value: &Expr, errors: &mut Errors) -> Option<Path> {
    match ungrouped(value) {
        Expr::Path(path) if path.qself.is_none() => Some(path.path.clone()),
        other => {
            errors.at(
                other,
                "`crate` must be the path of `idempotent_core`",
                "write `crate = ::my_framework::idempotent_core`, without quotes",
            );
            None
        }
    }
}
