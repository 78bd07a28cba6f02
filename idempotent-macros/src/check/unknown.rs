//! Options that do not exist: what was probably meant.

use syn::Ident;

use super::suggest::nearest;
use crate::errors::Errors;

/// Words for an option that other libraries use, or that come to mind.
const SYNONYMS: [(&[&str], &str); 13] = [
    // An engine is made from a store, so the wrong word is easily taken.
    (&["store", "backend"], "engine"),
    (
        &[
            "expire",
            "expires",
            "expires_in",
            "expires_after",
            "expire_after",
            "expiry",
            "expiration",
            "retention",
        ],
        "ttl",
    ),
    (&["id", "idempotency_key", "by"], "key"),
    (&["lock", "lock_ttl", "lock_timeout"], "lease"),
    (&["payload", "body", "hash", "digest"], "fingerprint"),
    (&["user", "owner", "tenant", "account", "namespace"], "scope"),
    (&["spawn", "background"], "detach"),
    (&["transaction", "transactional"], "tx"),
    (&["status", "http", "axum"], "response"),
    (&["tonic"], "grpc"),
    (&["cache", "memo"], "memoize"),
    (&["operation"], "name"),
    (&["schema"], "version"),
];

/// Reports a name that is none of the options, and returns the option that was probably meant.
pub(super) fn report<'n>(
    name: &Ident,
    options: &[&'n str],
    errors: &mut Errors,
) -> Option<&'n str> {
    let written = name.to_string();
    let help = match written.as_str() {
        "timeout" | "deadline" => Some(
            "write `wait` for how long a duplicate waits, or `max_run` for how long the body may run",
        ),
        "retry" | "retries" | "max_retries" | "attempts" | "backoff" => Some(
            "the attribute does not retry: the caller does, by calling again with the same key",
        ),
        _ => None,
    };
    let what = format!("unknown option `{name}`");
    if let Some(help) = help {
        errors.at(name, what, help);
        return None;
    }
    let synonym = SYNONYMS.iter().find(|(words, _)| words.contains(&written.as_str()));
    let meant = match synonym {
        Some((_, option)) => options.iter().find(|name| *name == option).copied(),
        None => nearest(&written, options),
    };
    match meant {
        Some(meant) => errors.at(name, what, format_args!("did you mean `{meant}`?")),
        None => errors.at(name, what, format_args!("the options are {}", list(options))),
    }
    meant
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
