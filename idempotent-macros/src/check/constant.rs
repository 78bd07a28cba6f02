//! Options that are the same for every call although they must not be: a string without its braces, an
//! expression in quotes, a literal.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprMacro, Ident, Lit, LitStr, UnOp};

use super::arguments;
use super::correction::{Correction, correct, likely_key};
use super::key::{Key, Part, is_content_call};
use super::options::Options;
use super::value::{ungrouped, word};
use crate::errors::Errors;
use crate::parse::Function;

pub(super) fn check(options: &Options, function: &Function, errors: &mut Errors) {
    let mut names = arguments::names(function);
    names.retain(|name| options.tx.as_ref().is_none_or(|tx| tx != name));
    let has_self = function.signature.receiver().is_some();
    if let Some(key) = options.key.as_ref().filter(|key| !is_none(key)) {
        match (constant(key), &options.singleton) {
            (Some(constant), None) if options.step.is_some() => errors.at(
                constant.at,
                "this key is the same for every use of the step, which is told from other steps by its name already",
                help_of_step(constant.text.as_deref(), &names, has_self),
            ),
            (Some(constant), None) if options.is_missing("singleton") => errors.at(
                constant.at,
                "this key is the same for every call, so that all of them would get the first one's result",
                help(constant.text.as_deref(), &names, has_self),
            ),
            (None, Some(singleton)) => varies(singleton, key, &names, errors),
            _ => {}
        }
    }
    nobody(options, errors);
    quoted_scope(options, &names, errors);
    quoted_fingerprint(options, &names, errors);
}

/// A key that no call can change.
struct Constant {
    at: TokenStream,
    /// If it is a string.
    text: Option<String>,
}

fn constant(key: &Key) -> Option<Constant> {
    match key {
        Key::Given(expr) => {
            is_constant(expr).then(|| Constant { at: expr.to_token_stream(), text: None })
        }
        Key::Text(parts) => {
            let is_same = |part: &Part| match part {
                Part::Text(_) => true,
                Part::Value(value) => is_constant(value),
                Part::Formatted { value, names, .. } => names.is_empty() && is_constant(value),
            };
            if !parts.iter().all(is_same) {
                return None;
            }
            match &parts[..] {
                [Part::Text(text)] => {
                    Some(Constant { at: text.to_token_stream(), text: Some(text.value()) })
                }
                _ => Some(Constant { at: parts.first()?.tokens(), text: None }),
            }
        }
    }
}

/// Whether an expression consists of literals alone. What calls a function or names something may differ.
fn is_constant(expr: &Expr) -> bool {
    match ungrouped(expr) {
        Expr::Lit(_) => true,
        Expr::Paren(inner) => is_constant(&inner.expr),
        Expr::Reference(inner) => is_constant(&inner.expr),
        Expr::Cast(inner) => is_constant(&inner.expr),
        Expr::Unary(inner) => !matches!(inner.op, UnOp::Deref(_)) && is_constant(&inner.expr),
        Expr::Tuple(tuple) => !tuple.elems.is_empty() && tuple.elems.iter().all(is_constant),
        Expr::Array(array) => array.elems.iter().all(is_constant),
        Expr::MethodCall(call) => {
            let converts = ["to_string", "to_owned", "into", "as_str", "as_bytes", "clone"];
            call.args.is_empty()
                && converts.iter().any(|name| call.method == name)
                && is_constant(&call.receiver)
        }
        Expr::Call(call) => {
            let path = call.func.to_token_stream().to_string().replace(' ', "");
            let converts = matches!(path.as_str(), "String::from" | "Some");
            (converts || is_content_call(call)) && call.args.iter().all(is_constant)
        }
        Expr::Macro(call) => is_constant_macro(call),
        _ => false,
    }
}

fn is_constant_macro(call: &ExprMacro) -> bool {
    let name = call.mac.path.get_ident().map(Ident::to_string);
    match name.as_deref() {
        Some("concat" | "stringify" | "module_path") => true,
        Some("format" | "format_args") => call
            .mac
            .parse_body::<LitStr>()
            .is_ok_and(|text| !text.value().replace("{{", "").contains('{')),
        _ => false,
    }
}

/// What to write instead of a key that is always the same.
fn help(text: Option<&str>, arguments: &[String], has_self: bool) -> String {
    match instead(text, arguments, has_self) {
        Some(instead) => {
            format!("write {instead}; if one key for all calls is meant, add `singleton`")
        }
        None => "if one key for all calls is meant, add `singleton`".to_owned(),
    }
}

/// The same for a step, which needs no key where its call uses it once.
fn help_of_step(text: Option<&str>, arguments: &[String], has_self: bool) -> String {
    match instead(text, arguments, has_self) {
        Some(instead) => {
            format!("write {instead}; if a call uses the step only once, remove `key`")
        }
        None => "if a call uses the step only once, remove `key`".to_owned(),
    }
}

/// A key that differs from call to call.
fn instead(text: Option<&str>, arguments: &[String], has_self: bool) -> Option<String> {
    match text.map(|text| (text, correct(text, arguments))) {
        Some((text, Correction::Expression { argument })) => {
            let expr = text.replace(['{', '}'], "");
            Some(format!("`key = {expr}` or `key = \"{argument}:{{{expr}}}\"`"))
        }
        Some((_, Correction::Braces(corrected))) => Some(format!("`key = \"{corrected}\"`")),
        other => likely_key(arguments).or(has_self.then_some("self.id")).map(|argument| {
            let prefix = other.map(|(text, _)| text.trim_end_matches([':', '/', '-', '_']));
            match prefix.filter(|text| !text.is_empty() && !text.contains(['{', '}', '"', '\\'])) {
                Some(text) => format!("`key = {argument}` or `key = \"{text}:{{{argument}}}\"`"),
                None => format!("`key = {argument}`"),
            }
        }),
    }
}

/// Reports a `singleton` whose key depends on an argument.
fn varies(singleton: &Ident, key: &Key, arguments: &[String], errors: &mut Errors) {
    let tokens = key.tokens();
    let names = [&["self".to_owned()], arguments].concat();
    if let Some(name) = names.iter().find(|name| mentions(tokens.clone(), name)) {
        errors.at(
            singleton,
            format_args!(
                "`singleton` says that all calls have one key, but this key depends on `{name}`"
            ),
            "remove `singleton`",
        );
    }
}

fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => word == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

fn is_none(key: &Key) -> bool {
    matches!(key, Key::Given(expr) if word(expr).is_some_and(|word| word == "None"))
}

/// Reports `key = None` and `scope = None`, with which every call would be refused.
fn nobody(options: &Options, errors: &mut Errors) {
    if let Some(key) = options.key.as_ref().filter(|key| is_none(key)) {
        errors.at(
            key.tokens(),
            "`key = None` identifies no call",
            "write the value that identifies the call, as in `key = order.id`",
        );
    }
    if let Some(scope) = options.scope.as_ref().filter(|scope| is_none(scope)) {
        errors.at(
            scope.tokens(),
            "`scope = None` names no owner of the key",
            "remove `scope`; if all callers share keys that clients choose, write `global_scope` instead",
        );
    }
}

/// Reports a scope that is an argument in quotes. Every caller would have the same one.
fn quoted_scope(options: &Options, arguments: &[String], errors: &mut Errors) {
    let Some(Key::Text(parts)) = &options.scope else {
        return;
    };
    let [Part::Text(literal)] = &parts[..] else {
        return;
    };
    let text = literal.value();
    let instead = match correct(&text, arguments) {
        Correction::Expression { .. } => text.replace(['{', '}'], ""),
        Correction::Braces(corrected) => format!("\"{corrected}\""),
        Correction::None => return,
    };
    errors.at(
        literal,
        "this scope is the same for every caller, so that callers would get each other's results",
        format_args!(
            "write `scope = {instead}`; if all callers share their keys, write `global_scope`"
        ),
    );
}

/// Reports a fingerprint that is an argument in quotes. Every payload would have the same one.
fn quoted_fingerprint(options: &Options, arguments: &[String], errors: &mut Errors) {
    let Some(Expr::Lit(ExprLit { lit: Lit::Str(literal), .. })) =
        options.fingerprint.as_ref().map(ungrouped)
    else {
        return;
    };
    let text = literal.value();
    let instead = match correct(&text, arguments) {
        Correction::Expression { .. } => text.replace(['{', '}'], ""),
        Correction::Braces(_) => likely_payload(&text, arguments),
        Correction::None => return,
    };
    errors.at(
        literal,
        "this fingerprint is the same for every payload: it is an expression, and no string with braces",
        format_args!("write `fingerprint = {instead}`"),
    );
}

/// All arguments that a text mentions, as an expression.
fn likely_payload(text: &str, arguments: &[String]) -> String {
    let mentioned: Vec<_> = arguments
        .iter()
        .filter(|argument| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == **argument)
        })
        .map(String::as_str)
        .collect();
    match &mentioned[..] {
        [only] => (*only).to_owned(),
        several => format!("({})", several.join(", ")),
    }
}
