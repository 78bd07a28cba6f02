//! A fleet that moves, as a random program: callers of one key in processes of neighbouring modes, whose every message may
//! overtake others or be lost; processes that die at any message, a mover that dies, servers that are away, and leases that
//! lapse. Everything is decided by a seed. `IDEMPOTENT_MIGRATION_SEEDS=100000` makes the long run.

mod gate;
mod processes;
mod random;
mod schedule;
mod seeds;
mod world;
