//! The layer in two processes behind real proxies, as they are and as they may be configured, whose
//! answers get lost: what is sent again, by the proxy or by the client, takes effect once. Effects are
//! counted outside of all of them.
//!
//! `nginx` has apps that stall and die; all else is about connections that break.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod app;
mod apps;
mod browser;
mod curl;
mod fault;
mod gateway;
mod ledger;
mod nginx;
mod resent_by_clients;
mod resent_by_gateways;
mod sent_once;
mod shop;
