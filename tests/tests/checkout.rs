//! The example `checkout` in a real browser: what a person does there, and what then is on the page,
//! in its log and in the shop.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

#[path = "checkout/browser.rs"]
mod browser;
#[path = "checkout/clicks.rs"]
mod clicks;
#[path = "../../examples/checkout/log.rs"]
mod log;
#[path = "checkout/page.rs"]
mod page;
#[path = "checkout/picture.rs"]
mod picture;
#[path = "../../examples/checkout/shop.rs"]
mod shop;
