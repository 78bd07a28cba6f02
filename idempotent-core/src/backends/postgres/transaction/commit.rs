//! Committing a transaction that can be committed.

use futures_util::StreamExt as _;
use sqlx::error::DatabaseError;
use sqlx::{Connection as _, Error, PgConnection, Postgres, Transaction, raw_sql};
use tokio::runtime::Handle;

use super::not_committed::NotCommitted;

/// Commits, and fails where a plain `COMMIT` would succeed without committing: `SAVEPOINT` is an error in a
/// transaction that was aborted, and where there is none. All of it is one message.
///
/// sqlx still counts a transaction after that, since the `COMMIT` was not its own. The empty one that follows is
/// for sqlx to end, for which nobody has to wait.
const COMMIT: &str = "SAVEPOINT idempotent_commit; COMMIT; BEGIN READ ONLY";
/// Which of its statements commits.
const COMMITS: usize = 2;

const ABORTED: &str = "25P02";
const NO_TRANSACTION: &str = "25P01";

/// Commits a transaction, or says why it cannot be.
pub(crate) async fn commit(mut tx: Transaction<'static, Postgres>) -> Result<(), Error> {
    // A nested begin that was dropped halfway has rolled the outer transaction back.
    if !tx.is_in_transaction() {
        return Err(Error::Database(Box::new(NotCommitted::Ended)));
    }
    let has_begun = run(&mut tx, COMMIT, COMMITS).await.map_err(commit_error)?;
    if let (true, Ok(runtime)) = (has_begun, Handle::try_current()) {
        runtime.spawn(tx.commit());
    }
    Ok(())
}

/// Commits right after a statement that has succeeded outside of all savepoints, so that a plain `COMMIT` does. Within one that
/// sqlx counts, its statement fails.
#[cfg(feature = "consumer")]
pub(crate) async fn commit_complete(tx: Transaction<'static, Postgres>) -> Result<(), Error> {
    // sqlx would send nothing, and succeed.
    if !tx.is_in_transaction() {
        return Err(Error::Database(Box::new(NotCommitted::Ended)));
    }
    tx.commit().await
}

/// The same, and begins another transaction on the connection by the same message, unless that fails. sqlx goes on to count
/// one.
#[cfg(feature = "consumer")]
pub(crate) async fn commit_and_begin(
    mut tx: Transaction<'static, Postgres>,
) -> Result<Option<Transaction<'static, Postgres>>, Error> {
    if !tx.is_in_transaction() {
        return Err(Error::Database(Box::new(NotCommitted::Ended)));
    }
    let has_begun = run(&mut tx, "COMMIT; BEGIN", 1).await?;
    Ok(has_begun.then_some(tx))
}

/// Runs these statements, the nth of which commits. Gives whether those after it have succeeded as well: if not, that takes
/// nothing back. After a statement that fails, the server looks at no other.
async fn run(connection: &mut PgConnection, text: &'static str, nth: usize) -> Result<bool, Error> {
    let (mut results, mut succeeded) = (raw_sql(text).execute_many(connection), 0);
    while let Some(result) = results.next().await {
        match result {
            Ok(_) => succeeded += 1,
            Err(_) if succeeded >= nth => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn commit_error(error: Error) -> Error {
    let code = error.as_database_error().and_then(DatabaseError::code);
    match code.as_deref() {
        Some(ABORTED) => Error::Database(Box::new(NotCommitted::Aborted)),
        Some(NO_TRANSACTION) => Error::Database(Box::new(NotCommitted::Ended)),
        _ => error,
    }
}
