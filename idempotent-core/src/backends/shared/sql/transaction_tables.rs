//! How a transaction finds the statements for the tables of the engine's store.

use std::any::Any;

use crate::store::{StoreError, StoreErrorKind};

/// The statements for the store's tables, which are in the transaction's database if they are a `T`. The store of a
/// database has the database's name as its feature.
pub(in crate::backends) fn tables_of<'t, T: 'static>(
    tables: &'t (dyn Any + Send + Sync),
    database: &str,
) -> Result<&'t T, StoreError> {
    tables.downcast_ref().ok_or_else(|| {
        let message = format!(
            "this is a transaction of {database}, but the engine's store is in another database: use the store of the \
             feature `{database}`"
        );
        StoreError::new(StoreErrorKind::Mismatch, message)
    })
}
