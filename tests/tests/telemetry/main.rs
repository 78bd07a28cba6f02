//! What is seen of calls from outside, on every path: each call's span, from its start to its end, and the metrics.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod calls;
mod captured;
mod client;
mod documents;
mod dropped;
mod grpc;
mod http;
mod ids;
mod metrics;
mod traces;
mod transactions;
