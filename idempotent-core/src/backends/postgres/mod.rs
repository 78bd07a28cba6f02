//! The store on PostgreSQL: one row a record.
//!
//! [`store`] is [`PostgresStore`], [`builder`] sets it up on a [`source`]. [`reserve`], [`complete`],
//! [`renew`] and [`release`] are the transitions, [`load`] reads what is recorded under an id, [`entry`]
//! says what a row means, [`scan`] reads pages, [`sweep`] removes expired records. [`schema`] is the
//! tables, [`table_names`] puts their names into SQL, [`statements`] is the SQL. [`connection`] runs
//! queries, over connections from a [`connection_cache`]. [`notify`] wakes waiters in other processes.
//! [`transaction`] is calls in transactions of their callers. [`inner`] is what clones of a store share.

mod abandon;
mod builder;
mod complete;
mod connection;
mod connection_cache;
mod entry;
mod error;
mod inner;
mod load;
mod notify;
mod release;
mod renew;
mod reserve;
mod scan;
mod schema;
mod source;
mod statements;
mod store;
mod sweep;
mod table_names;
mod transaction;

pub use self::builder::PostgresStoreBuilder;
pub use self::source::PostgresSource;
pub use self::store::PostgresStore;
pub(crate) use self::table_names::TableNames;
pub use self::transaction::{RetryTransaction, retry_transaction};
