//! The example `checkout` in a real browser: what a person does there, and what then is on the page,
//! in its log and in the shop.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod clicks;
#[path = "../../../examples/http/checkout/log.rs"]
mod log;
mod page;
mod screenshot;
#[path = "../../../examples/http/checkout/shop.rs"]
mod shop;
