//! A fleet that moves, as a random program: callers of one key in processes of neighbouring modes, whose every message may
//! overtake others, be lost, or arrive after its sender has given up; processes that die at any message, a mover that dies,
//! servers that are away or do not answer, and leases that lapse. Everything is decided by a seed. `IDEMPOTENT_MIGRATION_SEEDS=100000` makes the long run.

mod gate;
mod node;
mod processes;
mod random;
mod schedule;
mod seeds;
mod world;
