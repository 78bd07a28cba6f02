//! gRPC over live servers: the attribute on the methods of a tonic service, and what clients see.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod dispositions;
mod ends;
mod keys;
mod layered;
mod payments;
mod processes;
mod refusals;
mod replay;
mod shop;
mod wire;

use payments::{Charge, Receipt};
use shop::Shop;
use wire::Client;
