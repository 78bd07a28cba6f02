//! What the processes of a fleet say to each other over Redis: who waits is woken, and who keeps
//! copies hears of purges. Each store of a test stands for a process: it has connections of its own.

#[path = "redis_wake/cluster.rs"]
mod cluster;
#[path = "redis_wake/contract.rs"]
mod contract;
#[path = "redis_wake/fleet.rs"]
mod fleet;
#[path = "redis_wake/losses.rs"]
mod losses;
#[path = "redis_wake/purges.rs"]
mod purges;
#[path = "redis_wake/waking.rs"]
mod waking;
