//! gRPC over live servers: the attribute on the methods of a tonic service, and what clients see.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "grpc/dispositions.rs"]
mod dispositions;
#[path = "grpc/ends.rs"]
mod ends;
#[path = "grpc/keys.rs"]
mod keys;
#[path = "grpc/layered.rs"]
mod layered;
#[path = "grpc/payments.rs"]
mod payments;
#[path = "grpc/processes.rs"]
mod processes;
#[path = "grpc/refusals.rs"]
mod refusals;
#[path = "grpc/replay.rs"]
mod replay;
#[path = "grpc/shop.rs"]
mod shop;
#[path = "grpc/wire.rs"]
mod wire;

use payments::{Charge, Receipt};
use shop::Shop;
use wire::Client;
