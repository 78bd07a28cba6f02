//! The error for a schema that a store cannot use.

use crate::store::{StoreError, StoreErrorKind};

/// What is wrong with the tables, and what to do.
pub(in crate::backends) const SCHEMA_MISSING: &str = "the tables of the store are missing or too old: \
     connect with `migrate(true)`, call `migrate()`, or run the SQL of `migrations()`";

/// What is wrong if a caller's transaction has no such tables.
pub(in crate::backends) const TABLES_ELSEWHERE: &str = "in the transaction's database the tables of the store are missing or too old: is it a transaction of the store's \
     database? If it is, call `migrate()`";

/// The error of a store that may not migrate and whose tables are missing or too old.
pub(in crate::backends) fn schema_missing() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, SCHEMA_MISSING).without_outage()
}
