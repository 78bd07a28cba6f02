//! Calls in transactions of their callers.
//!
//! [`connection`] implements [`Transaction`](crate::store::Transaction) for sqlx's connections, with the
//! [`statements`] of one store's tables; [`commit_hook`] refuses commits while a call runs.
//! `begin` is for consumers, which begin transactions themselves.

#[cfg(feature = "consumer")]
mod begin;
mod commit_hook;
mod connection;
mod error;
mod statements;

#[cfg(feature = "consumer")]
pub(crate) use self::begin::begin as begin_transaction;
pub(super) use self::statements::TransactionStatements;
