//! Counting what a scope keeps.

use sqlx::Row;

use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use crate::model::{RecordId, ScopeId};
use crate::store::{ScopeUse, StoreError};

/// The scope that a record counts for, as the column has it.
pub(super) fn scope_of(id: &RecordId) -> Option<&[u8]> {
    id.scope().map(|scope| &scope.as_bytes()[..])
}

pub(super) async fn scope_use(
    store: &Inner,
    scope: &ScopeId,
    up_to: u64,
) -> Result<ScopeUse, StoreError> {
    let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
    let query = query(&store.statements.scope_use).bind(&scope.as_bytes()[..]).bind(up_to);
    let rows = store.connection.read(query).await?;
    let Some(row) = rows.first() else { return Ok(ScopeUse::default()) };
    let number = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let counted =
        || Ok(ScopeUse { records: number(0)?, bytes: number(1)?, indeterminate: number(2)? });
    counted().map_err(store_error)
}
