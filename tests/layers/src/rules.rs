//! The layers, crate by crate: which files each consists of, and which other layers it may import.
//!
//! A file belongs to the first layer that has a matching prefix, so a folder ends in `/`. A layer
//! may always import itself. A file without a layer is an error.

/// One layer of a crate.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    /// Prefixes of the files, below `src`.
    pub(crate) files: &'static [&'static str],
    pub(crate) imports: Imports,
}

/// What a layer may import besides itself.
pub(crate) enum Imports {
    Everything,
    Only(&'static [&'static str]),
    /// Its imports are not looked at, so they form no circles either.
    Unchecked,
}

use Imports::{Everything, Only, Unchecked};

/// The layers of a crate, or none where this file knows no crate of that name.
pub(crate) fn of_crate(name: &str) -> Option<&'static [Layer]> {
    match name {
        "idempotent-core" => Some(CORE),
        "idempotent-macros" => Some(MACROS),
        "idempotent-kafka" => Some(KAFKA),
        "idempotent-rabbitmq" => Some(RABBITMQ),
        _ => None,
    }
}

/// What an engine consists of. A call is made with all of it.
const ENGINE: &[&str] = &["model", "error", "codec", "store"];
/// What integrations are made with.
const CALL: &[&str] = &["model", "error", "codec", "store", "engine", "default_engine", "call"];
/// What a backend is made with. It knows no other backend.
const BACKEND: &[&str] = &["model", "error", "store", "backends/shared"];

#[rustfmt::skip]
const CORE: &[Layer] = &[
    // The foundation: what the words mean, and what can go wrong.
    Layer { name: "model", files: &["model/", "model.rs"], imports: Only(&[]) },
    Layer { name: "error", files: &["error/", "error.rs"], imports: Only(&["model"]) },
    Layer { name: "codec", files: &["codec/", "codec.rs"], imports: Only(&["model", "error"]) },

    // The contract between the engine and its backends.
    Layer { name: "store", files: &["store/", "store.rs"], imports: Only(&["model", "error", "codec"]) },

    // Implementations of the contract. `backends/mod.rs` is their face.
    Layer { name: "backends", files: &["backends/mod.rs"], imports: Only(&[
        "backends/shared", "backends/memory", "backends/migrating", "backends/near_cache", "backends/redis",
        "backends/postgres", "backends/sqlite",
    ]) },
    Layer { name: "backends/shared", files: &["backends/shared/", "backends/shared.rs"], imports: Only(&["model", "error", "store"]) },
    Layer { name: "backends/memory", files: &["backends/memory/"], imports: Only(BACKEND) },
    Layer { name: "backends/migrating", files: &["backends/migrating/"], imports: Only(BACKEND) },
    Layer { name: "backends/near_cache", files: &["backends/near_cache/"], imports: Only(BACKEND) },
    Layer { name: "backends/redis", files: &["backends/redis/"], imports: Only(BACKEND) },
    Layer { name: "backends/postgres", files: &["backends/postgres/"], imports: Only(BACKEND) },
    Layer { name: "backends/sqlite", files: &["backends/sqlite/"], imports: Only(BACKEND) },

    // What runs a call.
    Layer { name: "engine", files: &["engine/"], imports: Only(ENGINE) },
    // Nothing else above the contract names a backend, except an integration that needs a database.
    Layer { name: "default_engine", files: &["default_engine.rs"], imports: Only(&[
        "model", "error", "codec", "store", "engine", "backends/memory",
    ]) },
    Layer { name: "call", files: &["call/"], imports: Only(&[
        "model", "error", "codec", "store", "engine", "default_engine",
    ]) },

    // Integrations. They do not know each other, but gRPC is HTTP.
    Layer { name: "http", files: &["http/"], imports: Only(CALL) },
    Layer { name: "grpc", files: &["grpc/"], imports: Only(&[
        "model", "error", "codec", "store", "engine", "default_engine", "call", "http",
    ]) },
    Layer { name: "client", files: &["client/"], imports: Only(CALL) },
    // Redis is a broker, too, and handlers run in transactions of the databases.
    Layer { name: "consumer", files: &["consumer/"], imports: Only(&[
        "model", "error", "codec", "store", "engine", "default_engine", "call", "backends/shared", "backends/redis",
        "backends/postgres", "backends/sqlite",
    ]) },
    // Its messages are rows of the same database.
    Layer { name: "outbox", files: &["outbox/"], imports: Only(&[
        "model", "error", "codec", "store", "engine", "default_engine", "call", "backends/postgres",
    ]) },

    // What only users, tests and the attribute import.
    Layer { name: "testing", files: &["testing/", "testing.rs"], imports: Everything },
    Layer { name: "lib", files: &["lib.rs", "__private.rs", "__private/"], imports: Everything },
    Layer { name: "guide", files: &["guide/", "guide.rs"], imports: Unchecked },
];

#[rustfmt::skip]
const MACROS: &[Layer] = &[
    Layer { name: "errors", files: &["errors.rs"], imports: Only(&[]) },
    // The three phases. Each knows those before it.
    Layer { name: "parse", files: &["parse/"], imports: Only(&["errors"]) },
    Layer { name: "check", files: &["check/"], imports: Only(&["errors", "parse"]) },
    Layer { name: "expand", files: &["expand/"], imports: Only(&["errors", "parse", "check"]) },
    Layer { name: "lib", files: &["lib.rs"], imports: Everything },
];

#[rustfmt::skip]
const KAFKA: &[Layer] = &[
    Layer { name: "settings", files: &["header_names.rs", "settings.rs"], imports: Only(&[]) },
    // What is read of a message, and what is copied.
    Layer { name: "messages", files: &["received.rs", "copies.rs"], imports: Only(&["settings"]) },
    // What a member of the group has. No client is needed for it.
    Layer { name: "group", files: &["offsets.rs", "partition.rs", "state.rs", "group.rs"], imports: Only(&["messages"]) },
    // The client, and the threads that it has.
    Layer { name: "client", files: &[
        "client_config.rs", "refusals.rs", "context.rs", "requests.rs", "polling.rs", "publisher.rs",
    ], imports: Only(&["settings", "messages", "group"]) },
    Layer { name: "source", files: &["start.rs", "verdict.rs", "source.rs"], imports: Only(&[
        "settings", "messages", "group", "client",
    ]) },
    Layer { name: "lib", files: &["lib.rs"], imports: Everything },
];

#[rustfmt::skip]
const RABBITMQ: &[Layer] = &[
    Layer { name: "settings", files: &["header_names.rs", "queue.rs", "settings.rs"], imports: Only(&[]) },
    // What is read of a message, and what is copied.
    Layer { name: "messages", files: &["received.rs", "copies.rs"], imports: Only(&["settings"]) },
    // What is open at the broker.
    Layer { name: "connections", files: &[
        "ending.rs", "client_tasks.rs", "open_connection.rs", "connector.rs", "line.rs", "link.rs", "subscription.rs",
        "look_up.rs", "delay_queues.rs", "publisher.rs",
    ], imports: Only(&["settings"]) },
    Layer { name: "source", files: &["start.rs", "verdict.rs", "source.rs", "certificates.rs"], imports: Only(&[
        "settings", "messages", "connections",
    ]) },
    Layer { name: "lib", files: &["lib.rs"], imports: Everything },
];
