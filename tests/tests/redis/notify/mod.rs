//! What the processes of a fleet say to each other over Redis: who waits is woken, and who keeps
//! copies hears of purges. Each store of a test stands for a process: it has connections of its own.

mod cluster;
mod contract;
mod lost_connections;
mod purges;
mod stores;
mod waking;
