//! The store in this process's memory: unfinished calls in sharded maps, completed records in a
//! moka cache.
//!
//! [`store`] answers the engine. The transitions, a file each, act on [`records`]: [`unfinished`]
//! keeps a [`slot`] for each running call, [`completed`] the records that may be evicted, found by [`stored_key`]. What
//! each scope has is counted in [`slot_counts`] and [`result_ledger`], and [`evict`] makes room. [`wait`] waits until a
//! reservation ends, [`scan`] pages through everything, and [`due`] finds the calls to resume by [`due_index`].

mod abandon;
mod appended_results;
mod builder;
mod complete;
mod completed;
mod correct;
mod crate_items;
mod due;
mod due_index;
mod evict;
mod expiry_queue;
mod journal;
mod moment;
mod records;
mod release;
mod renew;
mod reserve;
mod result_ledger;
mod scan;
mod slot;
mod slot_counts;
mod store;
mod stored_key;
mod stored_result;
mod sync;
#[cfg(test)]
mod tests;
mod unfinished;
mod wait;
mod waiter;
mod waiter_list;
mod warnings;

pub use self::builder::MemoryStoreBuilder;
pub use self::store::MemoryStore;
