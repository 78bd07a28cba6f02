//! Starting and losing a connection, against real servers: what errors say, stores that connect later, the circuit,
//! and whether an engine says that it can serve calls.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod circuit;
mod circuit_of_servers;
mod error_texts;
mod health;
mod later;
mod unasked;
mod url_texts;
