//! The store on PostgreSQL: one row a record.
//!
//! [`store`] is [`PostgresStore`], [`builder`] has its options, and [`connect`] makes it, on a [`source`], which may be a
//! [`url`]. [`reserve`], [`complete`],
//! [`renew`] and [`release`] are the transitions, [`load`] reads what is recorded under an id, [`entry`]
//! says what a row means, [`scan`] reads pages, [`sweep`] removes expired records, [`scope_use`] counts a scope's, [`due`] finds the
//! calls to resume. [`schema`] is the
//! tables, [`table_names`] puts their names into SQL, [`statements`] is the SQL. [`connection`] runs each
//! [`query`], over connections from a [`connection_pool`] (by its [`acquisitions`]) or a [`connection_cache`], or on a spare one if it is the
//! [`first_of`] both; a [`running_query`] outlives its caller's patience. [`autocommit`] tells connections within a transaction, [`read_only`] servers that accept
//! no writes, [`reachability`] why there is no connection, [`check`] whether the server can serve calls, [`server`] its
//! name, [`settings`] what it says about itself, and [`sqlstate`] what error codes mean. [`notify`] wakes waiters in other processes. [`transaction`] is calls in
//! transactions of their callers. [`groups`] commits the steps of many calls together. [`inner`] is what clones of a
//! store share.

mod abandon;
mod acquisitions;
mod autocommit;
mod builder;
mod check;
mod complete;
mod connect;
mod connection;
mod connection_cache;
mod connection_pool;
mod correct;
mod due;
mod entry;
mod error;
mod first_of;
mod groups;
mod inner;
mod journal;
mod load;
mod notify;
mod query;
mod reachability;
mod read_only;
mod release;
mod renew;
mod replaced;
mod reserve;
mod running_query;
mod scan;
mod schema;
mod scope_use;
mod server;
mod session;
mod settings;
mod source;
mod sqlstate;
mod statements;
mod store;
mod sweep;
mod table_names;
mod transaction;
mod url;

pub(crate) use self::autocommit::{BEGUN_HERE, Connections};
pub use self::builder::PostgresStoreBuilder;
pub(crate) use self::connection::Retry;
pub(crate) use self::connection_pool::ConnectionPool;
#[cfg(feature = "consumer")]
pub(crate) use self::error::is_away;
pub(crate) use self::error::{is_in_transaction, is_lost, is_read_only};
pub(crate) use self::query::Query;
pub(crate) use self::server::server_of;
pub(crate) use self::session::knows_transaction_timeout;
pub use self::source::PostgresSource;
pub use self::store::PostgresStore;
pub(crate) use self::table_names::TableNames;
#[cfg(feature = "consumer")]
pub(crate) use self::transaction::{
    GroupRecords, begin_transaction, commit_and_begin, commit_complete, commit_transaction,
    complete_last, reserve_vacant, roll_back,
};
pub use self::transaction::{
    LentTransaction, NotCommitted, RetryTransaction, retry_transaction, transact,
};
