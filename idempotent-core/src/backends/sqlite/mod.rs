//! The store on `SQLite`: a file of this machine, one row a record.
//!
//! [`store`] is [`SqliteStore`], [`builder`] sets it up on a [`source`]. [`reserve`], [`complete`],
//! [`renew`] and [`release`] are the transitions, [`load`] reads what is recorded under an id, [`entry`]
//! says what a row means, [`scan`] reads pages, [`sweep`] removes expired records, [`scope_use`] counts a
//! scope's, [`due`] finds the calls to resume. [`database_file`] opens the file, which [`private_file`] creates, [`schema`] is the tables,
//! [`table_names`] puts their names into SQL, [`statements`] is the
//! SQL. [`connection`] runs queries; a [`write_queue`] puts writes in order. [`notify`] wakes waiters and
//! finds the purges of other processes. [`transaction`] is calls in transactions of their callers.
//! [`inner`] is what clones of a store share.

mod abandon;
mod builder;
mod check;
mod complete;
mod connection;
mod connections;
mod correct;
mod database_file;
mod due;
mod entry;
mod error;
mod inner;
mod journal;
mod load;
mod notify;
mod private_file;
mod query;
mod release;
mod renew;
mod reserve;
mod scan;
mod schema;
mod scope_use;
mod source;
mod statements;
mod store;
mod sweep;
mod table_names;
mod transaction;
mod write_queue;

pub use self::builder::SqliteStoreBuilder;
pub use self::source::SqliteSource;
pub use self::store::SqliteStore;
#[cfg(feature = "consumer")]
pub(crate) use self::transaction::begin_transaction;
