//! The index of calls that are due, as it stands on the servers.

mod call;
mod cluster;
mod commands;
mod index;
mod replicated;
mod rotation;
