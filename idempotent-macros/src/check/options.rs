//! The options by name. Each may be given once, with a value of the right kind.

use syn::{Expr, ExprPath, Ident, LitStr, Path};

use super::duration::{self, Length};
use super::key::{self, Key};
use super::suggest::nearest;
use super::value;
use crate::errors::Errors;
use crate::parse::{Arguments, ParsedOption, Value};

const NAMES: [&str; 23] = [
    "key",
    "singleton",
    "ttl",
    "name",
    "scope",
    "global_scope",
    "fingerprint",
    "engine",
    "lease",
    "max_run",
    "wait",
    "guarantee",
    "memoize",
    "on_error",
    "map_error",
    "detach",
    "tx",
    "step",
    "response",
    "grpc",
    "version",
    "accept",
    "crate",
];

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
    pub(crate) response: Option<Ident>,
    pub(crate) grpc: Option<Ident>,
    pub(crate) version: Option<u32>,
    pub(crate) accept: Option<(u32, u32)>,
    pub(crate) root: Option<Path>,
    given: Vec<Ident>,
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
        self.given(name).is_none() && !self.unreadable
    }

    /// The name of an option as it was written, whether its value is valid or not.
    pub(super) fn given(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }
}

pub(super) fn check(arguments: Arguments, errors: &mut Errors) -> Options {
    let mut options = Options { unreadable: arguments.unreadable, ..Options::default() };
    for option in arguments.options {
        let name = option.name.to_string();
        if !NAMES.contains(&name.as_str()) {
            unknown(&option.name, errors);
        } else if options.given(&name).is_some() {
            errors.at(&option.name, format_args!("`{name}` is given twice"), "remove one of them");
        } else {
            options.given.push(option.name.clone());
            options.set(&name, option, errors);
        }
    }
    options
}

fn unknown(name: &Ident, errors: &mut Errors) {
    let written = name.to_string();
    // An engine is made from a store, so the wrong word is easily taken.
    let near = if written == "store" { Some("engine") } else { nearest(&written, &NAMES) };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the options are {}", list(&NAMES)),
    };
    errors.at(name, format_args!("unknown option `{name}`"), help);
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
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
            _ => unknown(&option.name, errors),
        }
    }
}

fn flag(option: ParsedOption, errors: &mut Errors) -> Option<Ident> {
    if let Value::Expr(value) = option.value {
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
        _ => {}
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

/// An example of an option, for one that was written without its value.
fn sample(name: &str) -> &'static str {
    match name {
        "key" => "key = order.id",
        "ttl" => "ttl = \"24h\"",
        "name" => "name = \"shop.charge\"",
        "scope" => "scope = tenant.id",
        "fingerprint" => "fingerprint = order",
        "engine" => "engine = engine",
        "lease" => "lease = \"30s\"",
        "max_run" => "max_run = \"1h\"",
        "wait" => "wait = \"5s\"",
        "guarantee" => "guarantee = at_most_once",
        "memoize" => "memoize = all",
        "on_error" => "on_error = disposition_of",
        "map_error" => "map_error = MyError::from_idempotent",
        "tx" => "tx = tx",
        "version" => "version = 1",
        "accept" => "accept = 1..=2",
        _ => "crate = ::my_framework::idempotent_core",
    }
}
