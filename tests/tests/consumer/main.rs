//! Consumers: what becomes of messages when handlers, stores, brokers and processes fail; the contract of sources on
//! the broker in memory, on broken ones, and on real servers.
#![allow(clippy::unwrap_used)]

mod announcing;
mod attempts;
mod broken_source;
mod cloud_events;
mod confirming;
mod contract;
mod cut_off;
mod dead_letters;
mod effects;
mod flaws_found;
mod gate;
mod handlers;
mod in_hand;
mod inbox;
mod inbox_begins;
mod inbox_commits;
mod inbox_group_harness;
mod inbox_groups;
mod inbox_groups_postgres;
mod inbox_groups_postgres_18;
mod inbox_lanes;
mod inbox_members;
mod inbox_members_sqlite;
mod inbox_postgres;
mod inbox_turns;
mod inbox_undone;
mod inbox_workers;
mod jetstream;
mod late_results;
mod leases;
mod nats_server;
mod observing;
mod options;
mod ordering;
mod outage;
mod parking;
mod redis_ids;
mod redis_losses;
mod redis_server;
mod redis_streams;
mod stopping;
mod throughput;
mod traps;
mod workers;
