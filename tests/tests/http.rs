//! The `Idempotency-Key` header over live servers: real sockets, and raw bytes where headers matter.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "http/bodies.rs"]
mod bodies;
#[path = "http/concurrency.rs"]
mod concurrency;
#[path = "http/dispositions.rs"]
mod dispositions;
#[path = "http/draft.rs"]
mod draft;
#[path = "http/ends.rs"]
mod ends;
#[path = "http/extractor.rs"]
mod extractor;
#[path = "http/fingerprints.rs"]
mod fingerprints;
#[path = "http/fuzz.rs"]
mod fuzz;
#[path = "http/header.rs"]
mod header;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/options.rs"]
mod options;
#[path = "http/owners.rs"]
mod owners;
#[path = "http/properties.rs"]
mod properties;
#[path = "http/replay.rs"]
mod replay;
#[path = "http/response_flag.rs"]
mod response_flag;
#[path = "http/server.rs"]
mod server;
#[path = "http/stores.rs"]
mod stores;
#[path = "http/unkept.rs"]
mod unkept;
#[path = "http/wire.rs"]
mod wire;

use server::{Server, Shop, layer};
use wire::{get, post};

/// A key worth 128 bits.
const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";
