//! Code that the stores on sqlx's databases share: names of tables, cursors of scans, the sweeper, and
//! calls in transactions of their callers.

#[cfg(any(feature = "postgres", feature = "consumer"))]
mod begin;
mod conflict;
mod cursor;
mod names;
mod savepoint;
mod schema;
mod sweeper;
mod transaction;
mod transaction_tables;

#[cfg(any(feature = "postgres", feature = "consumer"))]
pub(in crate::backends) use self::begin::begin;
pub use self::conflict::is_conflict;
#[cfg(feature = "postgres")]
pub(in crate::backends) use self::conflict::is_postgres_conflict;
#[cfg(feature = "sqlite")]
pub(in crate::backends) use self::conflict::is_sqlite_conflict;
pub(in crate::backends) use self::cursor::{next, start};
pub(in crate::backends) use self::names::{check_name, statement};
#[cfg(feature = "sqlite")]
pub(in crate::backends) use self::savepoint::ROLLED_BACK;
pub(in crate::backends) use self::savepoint::{RESERVATION_GONE, savepoint};
#[cfg(feature = "postgres")]
pub(in crate::backends) use self::schema::SCHEMA_MISSING;
pub(in crate::backends) use self::schema::{TABLES_ELSEWHERE, schema_missing};
pub(in crate::backends) use self::sweeper::{Sweep, SweepBatch, Sweeper, sweep_all};
pub(in crate::backends) use self::transaction_tables::tables_of;
