//! The `Idempotency-Key` header over live servers: real sockets, and raw bytes where headers matter.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod bodies;
mod concurrency;
mod content_keys;
mod dispositions;
mod draft;
mod ends;
mod extractor;
mod fingerprints;
mod frames;
mod fuzz;
mod header;
mod key_limits;
mod limits;
mod options;
mod properties;
mod raw_client;
mod refusals;
mod refused_when_built;
mod replay;
mod request_headers;
mod response_flag;
mod sameness;
mod scopes;
mod server;
mod stacks;
mod stores;
mod tenants;
mod tombstones;
mod uploads;

use raw_client::{get, post};
use server::{Server, Shop, layer};

/// A key worth 128 bits.
const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";
