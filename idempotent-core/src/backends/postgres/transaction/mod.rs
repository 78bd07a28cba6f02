//! Calls in transactions of their callers.
//!
//! [`connection`] implements [`Transaction`](crate::store::Transaction) for sqlx's connections, with the
//! [`statements`] of one store's tables. [`retry`] runs whole transactions again after a conflict: it [`begin`]s
//! them where none is open, has them [`lent`] to the body, and makes sure at the [`commit`] that they are
//! [`not_committed`] in silence. Consumers have calls that share a transaction, whose records are `group_records`.

mod begin;
mod commit;
mod connection;
mod error;
#[cfg(feature = "consumer")]
mod group_records;
mod lent;
mod not_committed;
mod retry;
#[cfg(feature = "consumer")]
mod rollback;
mod statements;

#[cfg(feature = "consumer")]
pub(crate) use self::begin::begin_limited as begin_transaction;
#[cfg(feature = "consumer")]
pub(crate) use self::commit::{commit as commit_transaction, commit_and_begin, commit_complete};
pub(super) use self::connection::lock;
#[cfg(feature = "consumer")]
pub(crate) use self::connection::{complete_last, reserve_vacant};
#[cfg(feature = "consumer")]
pub(crate) use self::group_records::GroupRecords;
pub use self::lent::LentTransaction;
pub use self::not_committed::NotCommitted;
pub use self::retry::{RetryTransaction, retry_transaction, transact};
#[cfg(feature = "consumer")]
pub(crate) use self::rollback::roll_back;
pub(super) use self::statements::TransactionStatements;
