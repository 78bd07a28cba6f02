//! Calls with steps on Redis and Valkey: what the server is asked, and what is left when keys, answers or servers go.

mod cluster;
mod commands;
mod evicted;
mod in_doubt;
mod lifetimes;
mod lost_answers;
mod marked;
mod replicated;
mod run;
