//! The names of the options.

/// All of them, in the order in which messages and the documentation list them.
pub(super) const NAMES: [&str; 24] = [
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
    "resume",
    "response",
    "grpc",
    "version",
    "accept",
    "crate",
];

/// The options that take no value.
pub(super) const FLAGS: [&str; 6] =
    ["singleton", "global_scope", "detach", "step", "response", "grpc"];

/// An example of an option, for one that was written without its value.
pub(super) fn sample(name: &str) -> &'static str {
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
        "resume" => "resume = order",
        "version" => "version = 1",
        "accept" => "accept = 1..=2",
        _ => "crate = ::my_framework::idempotent_core",
    }
}
