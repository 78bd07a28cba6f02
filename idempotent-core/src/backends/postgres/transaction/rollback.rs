//! Rolling back a transaction that somebody else had.

use sqlx::{Connection as _, Error, Postgres, Transaction, raw_sql};

/// sqlx may count a transaction within it, which a handler has forgotten, and would roll back no more than that. So this ends
/// all of it. The empty one that follows is for sqlx to end, for which nobody has to wait. If it counts too many, its
/// statement for that fails, and the pool closes the connection.
const ROLLBACK: &str = "ROLLBACK; BEGIN READ ONLY";

/// Rolls back all of a transaction, whatever is left open in it.
pub(crate) async fn roll_back(mut tx: Transaction<'static, Postgres>) -> Result<(), Error> {
    // A nested begin that was dropped halfway has rolled it back.
    if !tx.is_in_transaction() {
        return Ok(());
    }
    raw_sql(ROLLBACK).execute(&mut *tx).await.map(drop)
}
