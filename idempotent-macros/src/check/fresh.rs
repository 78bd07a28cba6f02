//! What is new for every call although calls must share it: a random key, an engine with records of its own.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprCall, ExprClosure, ExprMacro, ExprPath};

use super::arguments;
use super::correction::likely_key;
use super::key::{Key, Part};
use super::options::Options;
use super::value::ungrouped;
use crate::errors::Errors;
use crate::parse::Function;

pub(super) fn check(options: &Options, function: &Function, errors: &mut Errors) {
    let names = arguments::names_with_self(function);
    if let Some(fresh) = options.key.as_ref().and_then(|key| fresh_part(key, &names)) {
        let instead = likely_key(&names).map_or("order.id", |name| match name {
            "self" => "self.id",
            name => name,
        });
        errors.at(
            fresh,
            "this key is new for every call, so that no call is ever a duplicate",
            format_args!(
                "write a key that exists before the first attempt, as in `key = {instead}`, or take one that \
                 the caller sends"
            ),
        );
    }
    if let Some(fresh) = options.scope.as_ref().and_then(|scope| fresh_part(scope, &names)) {
        errors.at(
            fresh,
            "this scope is new for every call, so that no call is ever a duplicate",
            "write who the caller is, as in `scope = tenant.id`",
        );
    }
    if let Some(fresh) = options.fingerprint.as_ref().and_then(|expr| find_fresh(expr, &names)) {
        errors.at(
            fresh,
            "this fingerprint is new for every call, so that every duplicate is refused",
            "write what is the same when the call is repeated, as in `fingerprint = order`",
        );
    }
    // It is the fingerprint, too.
    let resume = options.resume.as_ref().filter(|_| options.fingerprint.is_none());
    if let Some(fresh) = resume.and_then(|expr| find_fresh(expr, &names)) {
        errors.at(
            fresh,
            "this input is new for every call, so that every duplicate is refused",
            "write what is the same when the call is repeated, as in `resume = order`",
        );
    }
    if let Some(engine) = &options.engine {
        if makes_a_memory_store(engine, &names) {
            errors.at(
                engine,
                "this makes an engine for every call, with records that no other call sees",
                "make it once: pass it to `idempotent_core::install` at startup and leave `engine` out, or take it \
                 as an argument, as in `engine = engine`",
            );
        }
    }
}

fn fresh_part<'k>(key: &'k Key, arguments: &[String]) -> Option<&'k Expr> {
    match key {
        Key::Given(expr) => find_fresh(expr, arguments),
        Key::Text(parts) => parts.iter().find_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(value) | Part::Formatted { value, .. } => find_fresh(value, arguments),
        }),
    }
}

/// The part of a key that differs in every call. One such part is enough.
fn find_fresh<'e>(expr: &'e Expr, arguments: &[String]) -> Option<&'e Expr> {
    match ungrouped(expr) {
        Expr::Tuple(tuple) => tuple.elems.iter().find_map(|part| find_fresh(part, arguments)),
        Expr::Reference(inner) => find_fresh(&inner.expr, arguments),
        Expr::Paren(inner) => find_fresh(&inner.expr, arguments),
        expr => is_fresh(expr, arguments).then_some(expr),
    }
}

fn is_fresh(expr: &Expr, arguments: &[String]) -> bool {
    match ungrouped(expr) {
        Expr::Reference(inner) => is_fresh(&inner.expr, arguments),
        Expr::Paren(inner) => is_fresh(&inner.expr, arguments),
        Expr::Call(call) => !mentions(call.to_token_stream(), arguments) && calls_generator(call),
        Expr::MethodCall(call) => {
            let keeps = KEEPING.iter().any(|name| call.method == name);
            let generates =
                ["random", "next_u32", "next_u64"].iter().any(|name| call.method == name);
            (keeps && call.args.is_empty() && is_fresh(&call.receiver, arguments))
                || (generates && is_generator(&call.receiver))
        }
        Expr::Macro(call) => is_fresh_macro(call),
        _ => false,
    }
}

/// Methods after which a random value, or a moment, is still another one in every call. What rounds a moment, such
/// as `date_naive`, is not among them: one key for each day is a key.
const KEEPING: [&str; 22] = [
    "to_string",
    "to_owned",
    "into",
    "clone",
    "as_str",
    "as_bytes",
    "as_ref",
    "as_u128",
    "into_bytes",
    "simple",
    "hyphenated",
    "urn",
    "unwrap",
    "expect",
    "to_rfc3339",
    "timestamp_millis",
    "timestamp_micros",
    "timestamp_nanos",
    "timestamp_nanos_opt",
    "unix_timestamp_nanos",
    "as_nanos",
    "as_micros",
];

/// Whether a function returns another value whenever it is called.
fn calls_generator(call: &ExprCall) -> bool {
    let Expr::Path(path) = ungrouped(&call.func) else {
        return false;
    };
    let mut segments = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let name = segments.next().unwrap_or_default();
    let owner = segments.next();
    let Some(owner) = owner else {
        return name == "random" && call.args.is_empty();
    };
    matches!(
        (owner.as_str(), name.as_str()),
        ("Uuid", "new_v4" | "new_v7" | "now_v1" | "now_v6" | "now_v7")
            | ("Ulid", "new" | "generate")
            | ("Utc" | "Local" | "SystemTime" | "Instant" | "Timestamp", "now")
            | ("OffsetDateTime", "now_utc")
            | ("rand", "random")
    )
}

/// Whether this is the generator of the thread or of the system, which nobody seeds.
fn is_generator(expr: &Expr) -> bool {
    let Expr::Call(call) = ungrouped(expr) else {
        return false;
    };
    match ungrouped(&call.func) {
        Expr::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|name| name.ident == "rng" || name.ident == "thread_rng"),
        _ => false,
    }
}

/// `format!("{}", Uuid::new_v4())`, whatever else is in it.
fn is_fresh_macro(call: &ExprMacro) -> bool {
    let generators = ["new_v4", "now_v7"].map(str::to_owned);
    match call.mac.path.segments.last() {
        Some(name) if name.ident == "nanoid" => true,
        Some(name) if name.ident == "format" => mentions(call.mac.tokens.clone(), &generators),
        _ => false,
    }
}

/// Whether an engine on a new `MemoryStore` is made whenever the expression is evaluated. Any other store keeps its
/// records elsewhere. What a closure or a block makes may be kept, as `get_or_init` does.
fn makes_a_memory_store(engine: &Expr, arguments: &[String]) -> bool {
    #[derive(Default)]
    struct Made {
        memory: bool,
        may_be_kept: bool,
    }
    impl<'e> Visit<'e> for Made {
        fn visit_expr_call(&mut self, call: &'e ExprCall) {
            if let Expr::Path(path) = ungrouped(&call.func) {
                let owner = path.path.segments.iter().rev().nth(1);
                self.memory |= owner.is_some_and(|owner| owner.ident == "MemoryStore");
            }
            visit::visit_expr_call(self, call);
        }
        fn visit_expr_closure(&mut self, _: &'e ExprClosure) {
            self.may_be_kept = true;
        }
        fn visit_block(&mut self, _: &'e Block) {
            self.may_be_kept = true;
        }
        fn visit_expr_macro(&mut self, _: &'e ExprMacro) {
            self.may_be_kept = true;
        }
        fn visit_expr_path(&mut self, path: &'e ExprPath) {
            // A constant or a static, which may keep it.
            let name = path.path.segments.last().map(|name| name.ident.to_string());
            self.may_be_kept |= name.is_some_and(|name| {
                name.starts_with(char::is_uppercase) && !name.contains(char::is_lowercase)
            });
        }
    }
    let mut made = Made::default();
    made.visit_expr(engine);
    made.memory && !made.may_be_kept && !mentions(engine.to_token_stream(), arguments)
}

fn mentions(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(word) => names.iter().any(|name| word == name),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(text: &str) -> bool {
        find_fresh(&syn::parse_str(text).unwrap(), &["order".to_owned()]).is_some()
    }

    #[test]
    fn a_key_of_random_or_of_the_moment_is_new() {
        for text in [
            "Uuid::new_v4()",
            "uuid::Uuid::now_v7().to_string()",
            "(order.id, Uuid::new_v4())",
            "&rand::random::<u64>()",
            "rand::rng().random::<u64>()",
            "format!(\"{order}-{}\", Uuid::new_v4())",
            "Utc::now().to_rfc3339()",
        ] {
            assert!(fresh(text), "{text}");
        }
    }

    #[test]
    fn a_key_of_an_argument_or_of_a_period_is_not() {
        for text in [
            "order.id",
            "random(&order)",
            "Uuid::new_v5(&order.space, &order.name)",
            "Uuid::parse_str(&order.id).unwrap()",
            "Utc::now().date_naive().to_string()",
            "Utc::now().timestamp() / 3600",
            "format!(\"{}\", order.id)",
            "StdRng::seed_from_u64(7).random()",
            "clock::now()",
        ] {
            assert!(!fresh(text), "{text}");
        }
    }

    #[test]
    fn only_an_engine_that_nothing_keeps_is_made_for_every_call() {
        let made = |text: &str| {
            makes_a_memory_store(&syn::parse_str(text).unwrap(), &["order".to_owned()])
        };
        assert!(made("Idempotency::new(MemoryStore::new())"));
        assert!(made("&Idempotency::builder(backends::MemoryStore::builder().build()).build()"));
        assert!(!made("Idempotency::new(store())"));
        assert!(!made("order.engines.or(Idempotency::new(MemoryStore::new()))"));
        assert!(!made("ENGINE.get_or_init(|| Idempotency::new(MemoryStore::new()))"));
        assert!(!made("kept(ENGINE, Idempotency::new(MemoryStore::new()))"));
    }
}
