//! Calls in transactions of their callers.
//!
//! [`connection`] implements [`Transaction`](crate::store::Transaction) for sqlx's connections, with the
//! [`statements`] of one store's tables. [`retry`] runs whole transactions again after a conflict.

mod connection;
mod error;
mod retry;
mod statements;

pub use self::retry::{RetryTransaction, retry_transaction};
pub(super) use self::statements::TransactionStatements;
