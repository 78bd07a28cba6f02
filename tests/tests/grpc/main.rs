//! gRPC over live servers: the attribute on the methods of a tonic service, and what clients see.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod dispositions;
mod ends;
mod inside_http_layer;
mod keys;
mod payments;
mod processes;
mod refusals;
mod replay;
mod server;
mod shop;

use payments::{Charge, Receipt};
use server::Client;
use shop::Shop;
