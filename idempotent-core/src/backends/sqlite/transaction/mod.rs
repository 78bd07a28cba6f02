//! Calls in transactions of their callers.
//!
//! [`connection`] implements [`Transaction`](crate::store::Transaction) for sqlx's connections, with the
//! [`statements`] of one store's tables; [`commit_hook`] refuses commits while a call runs.

mod commit_hook;
mod connection;
mod error;
mod statements;

pub(super) use self::statements::TransactionStatements;
