//! Records in Redis or Valkey, one key each, and the journals of calls with steps, one key each.
//!
//! [`store`] implements the contract, [`builder`] sets a store up, from a [`source`].
//! [`reserve`], [`complete`], [`renew`] and [`release`] are the transitions, and [`confirm`] makes sure
//! of a reservation that is there already; [`journal`] has those of calls with steps. [`compare`] knows which transitions plain commands can do;
//! a [`script`] does the others. [`due`] finds calls that are to be resumed, in the indexes of [`due_key`]. [`entry`] reads what is stored under a [`key`], with the times in
//! [`lifetime`], and [`scan`] reads pages of it.
//!
//! [`connection`] sends commands to the servers, [`replicas`] sends those that wait for replicas, and
//! [`notify`] is what the processes tell each other. [`check`] asks the servers whether they can serve calls;
//! [`server_check`] looks at the servers when a store
//! connects, by [`server_info`], and [`settings`] tells tools what servers say about themselves. [`shared`] is what the clones of a store share, and
//! [`background_tasks`] are the tasks it has spawned. `commands` lends the connections to a consumer's source.

mod abandon;
mod background_tasks;
mod builder;
mod check;
#[cfg(feature = "consumer-redis")]
mod commands;
mod compare;
mod complete;
mod confirm;
mod connection;
mod correct;
mod due;
mod due_key;
mod entry;
mod error;
mod journal;
mod key;
mod lifetime;
mod notify;
mod release;
mod renew;
mod replicas;
mod reserve;
mod scan;
mod script;
mod server_check;
mod server_info;
mod settings;
mod shared;
mod source;
mod store;

pub use self::builder::RedisStoreBuilder;
#[cfg(feature = "consumer-redis")]
pub(crate) use self::commands::{Commands, KeyScript};
pub use self::source::RedisSource;
pub use self::store::RedisStore;
