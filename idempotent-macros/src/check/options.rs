//! The options by name. Each may be given once, with a value of the right kind.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprPath, Ident, LitStr, Path};

use super::duration::{self, Length};
use super::key::{self, Key};
use super::names::{NAMES, sample};
use super::suggest::nearest;
use super::{arguments, misplaced, unknown, value};
use crate::errors::Errors;
use crate::parse::{Arguments, Function, ParsedOption, Value};

/// What the user wrote for each option. `None` means the default.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) key: Option<Key>,
    /// Whether one key is meant for all calls.
    pub(crate) singleton: Option<Ident>,
    pub(crate) ttl: Option<Length>,
    pub(crate) name: Option<LitStr>,
    pub(crate) scope: Option<Key>,
    pub(crate) global_scope: Option<Ident>,
    pub(crate) fingerprint: Option<Expr>,
    pub(crate) engine: Option<Expr>,
    pub(crate) lease: Option<Length>,
    pub(crate) max_run: Option<Length>,
    pub(crate) wait: Option<Length>,
    pub(crate) guarantee: Option<Ident>,
    pub(crate) memoize: Memoize,
    pub(crate) on_error: Option<ExprPath>,
    pub(crate) map_error: Option<ExprPath>,
    pub(crate) detach: Option<Ident>,
    pub(crate) tx: Option<Ident>,
    /// Whether it is a step of the call around it.
    pub(crate) step: Option<Ident>,
    /// What the call is resumed with without its caller.
    pub(crate) resume: Option<Expr>,
    pub(crate) response: Option<Ident>,
    pub(crate) grpc: Option<Ident>,
    pub(crate) version: Option<u32>,
    pub(crate) accept: Option<(u32, u32)>,
    pub(crate) root: Option<Path>,
    given: Vec<Ident>,
    /// Options that were probably meant by names that do not exist.
    meant: Vec<&'static str>,
    unreadable: bool,
}

/// Which results are memoized.
#[derive(Default)]
pub(crate) enum Memoize {
    #[default]
    Ok,
    All(Ident),
    By(ExprPath),
}

impl Options {
    /// Whether an option is certainly missing: not if something else could not be read.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        self.given(name).is_none() && !self.meant.contains(&name) && !self.unreadable
    }

    /// The name of an option as it was written, whether its value is valid or not.
    pub(super) fn given(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }
}

pub(super) fn check(
    arguments: Arguments,
    function: Option<&Function>,
    errors: &mut Errors,
) -> Options {
    let mut options = Options { unreadable: arguments.unreadable, ..Options::default() };
    let names = function.map(arguments::names_with_self).unwrap_or_default();
    let is_key = |option: &ParsedOption| option.name == "key";
    let has_key = arguments.options.iter().any(is_key);
    let mut rest = arguments.options.into_iter().peekable();
    let expressions = misplaced::take(&mut rest, &names);
    misplaced::report(None, &expressions, has_key, errors);
    options.unreadable |= !expressions.is_empty();
    while let Some(option) = rest.next() {
        let name = option.name.to_string();
        let expressions = misplaced::take(&mut rest, &names);
        let is_reported = misplaced::report(Some(&option), &expressions, has_key, errors);
        // A key that lacks its name may be among them.
        options.unreadable |= !expressions.is_empty();
        if !NAMES.contains(&name.as_str()) {
            options.meant.extend(unknown::report(&option.name, &NAMES, errors));
        } else if options.given(&name).is_some() {
            errors.at(&option.name, format_args!("`{name}` is given twice"), "remove one of them");
        } else {
            options.given.push(option.name.clone());
            if !is_reported && !misplaced::is_argument(&option, &names, errors) {
                options.set(&name, option, errors);
            }
        }
    }
    options
}

impl Options {
    fn set(&mut self, name: &str, option: ParsedOption, errors: &mut Errors) {
        let here = match name {
            "singleton" => Some(&mut self.singleton),
            "global_scope" => Some(&mut self.global_scope),
            "detach" => Some(&mut self.detach),
            "step" => Some(&mut self.step),
            "response" => Some(&mut self.response),
            "grpc" => Some(&mut self.grpc),
            _ => None,
        };
        if let Some(here) = here {
            *here = flag(option, errors);
            return;
        }
        let value = match option.value {
            Value::Expr(value) => value,
            Value::Unreadable => return,
            Value::Rest(rest) => {
                errors.at(
                    rest,
                    format_args!("expected `=` after `{name}`"),
                    format_args!("write `{name} = value`"),
                );
                return;
            }
            Value::None => {
                errors.at(
                    &option.name,
                    format_args!("`{name}` needs a value"),
                    format_args!("write `{}`", sample(name)),
                );
                return;
            }
        };
        match name {
            "key" => self.key = key::check(value, errors),
            "scope" => self.scope = key::check(value, errors),
            "ttl" => self.ttl = duration::check(name, value, errors),
            "lease" => self.lease = duration::check(name, value, errors),
            "max_run" => self.max_run = duration::check(name, value, errors),
            "wait" => self.wait = duration::check(name, value, errors),
            "name" => self.name = value::name(&value, errors),
            "fingerprint" => self.fingerprint = Some(value),
            "resume" => self.resume = Some(value),
            "engine" => self.engine = Some(value),
            "guarantee" => self.guarantee = value::guarantee(&value, errors),
            "memoize" => self.memoize = memoize(value, errors),
            "on_error" => {
                self.on_error = value::function(name, "fn(&E) -> Disposition", &value, errors);
            }
            "map_error" => {
                let signature = "fn(idempotent_core::Error) -> E";
                self.map_error = value::function(name, signature, &value, errors);
            }
            "tx" => self.tx = value::argument(&value, errors),
            "version" => self.version = value::version(&value, errors),
            "accept" => self.accept = value::accept(&value, errors),
            "crate" => self.root = value::path(&value, errors),
            _ => self.meant.extend(unknown::report(&option.name, &NAMES, errors)),
        }
    }
}

fn flag(option: ParsedOption, errors: &mut Errors) -> Option<Ident> {
    let value = match option.value {
        Value::Expr(value) => value.into_token_stream(),
        Value::Rest(rest) => rest,
        Value::None | Value::Unreadable => TokenStream::new(),
    };
    if !value.is_empty() {
        errors.at(
            value,
            format_args!("`{}` is a flag and takes no value", option.name),
            format_args!("write only `{}`, or remove it", option.name),
        );
    }
    Some(option.name)
}

fn memoize(value: Expr, errors: &mut Errors) -> Memoize {
    match value::word(&value) {
        Some(word) if word == "ok" => return Memoize::Ok,
        Some(word) if word == "all" => return Memoize::All(word.clone()),
        Some(word) => {
            if let Some(help) = nearly_a_word(&word.to_string()) {
                errors.at(value, "`memoize` must be `ok`, `all` or the path of a function", help);
                return Memoize::Ok;
            }
        }
        None => {}
    }
    if value::string(&value).is_some() {
        errors.at(
            value,
            "`memoize` cannot be a string",
            "write `memoize = ok` or `memoize = all`, without quotes",
        );
        return Memoize::Ok;
    }
    let signature = "fn(&Result<T, E>) -> Disposition";
    value::function("memoize", signature, &value, errors).map_or(Memoize::Ok, Memoize::By)
}

/// What was meant by a word that is nearly `ok` or `all`. A longer word is the name of a function.
fn nearly_a_word(word: &str) -> Option<String> {
    if word == "Err" {
        return Some(
            "write `memoize = all` to memoize errors too, or the path of a function that decides"
                .to_owned(),
        );
    }
    let lower = word.to_lowercase();
    let near = match lower.as_str() {
        "ok" => "ok",
        "all" => "all",
        short if short.len() <= 3 => nearest(short, &["ok", "all"])?,
        _ => return None,
    };
    Some(format!("did you mean `{near}`? A function of that name is reached by `self::{word}`"))
}
