//! The versions of the schema: the files of `migrations/postgres`, each run once, in their order.
//!
//! Each file runs in a transaction, and adds its version to the table of versions. A new version is a new
//! file and a new line in [`MIGRATIONS`]. A released file never changes.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::autocommit::BEGUN_HERE;
use super::session::knows_transaction_timeout;
use super::table_names::TableNames;

/// The versions from 1 on, without a gap.
const MIGRATIONS: &[(i32, &str)] = &[
    (1, include_str!("../../../migrations/postgres/0001_records.sql")),
    (2, include_str!("../../../migrations/postgres/0002_transactions.sql")),
    (3, include_str!("../../../migrations/postgres/0003_outbox.sql")),
    (4, include_str!("../../../migrations/postgres/0004_scopes.sql")),
    (5, include_str!("../../../migrations/postgres/0005_journals.sql")),
    (6, include_str!("../../../migrations/postgres/0006_groups.sql")),
    (7, include_str!("../../../migrations/postgres/0007_steps_in_doubt.sql")),
    (8, include_str!("../../../migrations/postgres/0008_steps_in_groups.sql")),
    (9, include_str!("../../../migrations/postgres/0009_fenced_by_suspending.sql")),
    (10, include_str!("../../../migrations/postgres/0010_journals_end_afterwards.sql")),
];

/// The lock that a process holds while it migrates. There is one for the whole database, since the stores of
/// two tables may both create the same schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('idempotent.migrate', 0))";

/// Not `to_regclass`, whose answer may be older than the lock.
const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_class AS c \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";

/// A migration may wait for calls that use the tables, or for another process that migrates. The limits of
/// this connection, its role and its database are for calls only. The check comes last: a transaction that
/// somebody left open on the connection is not one to migrate in.
const NO_LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL search_path = pg_catalog";

/// Whether all versions have run. Only reads.
pub(super) async fn is_current(
    connection: &mut PgConnection,
    names: &TableNames,
) -> sqlx::Result<bool> {
    Ok(missing(connection, names).await?.is_none())
}

/// Runs the versions that have not run yet.
pub(super) async fn migrate(connection: &mut PgConnection, names: &TableNames) -> sqlx::Result<()> {
    // If all have run, this takes no lock and needs no right to create anything.
    while missing(connection, names).await?.is_some() {
        step(connection, names).await?;
    }
    Ok(())
}

/// The versions that have not run yet, and their SQL. Only reads.
pub(super) async fn missing_migrations(
    connection: &mut PgConnection,
    names: &TableNames,
) -> sqlx::Result<Vec<(i32, String)>> {
    let ran = ran(connection, names).await?;
    Ok(migrations(names).filter(|(version, _)| !ran.contains(version)).collect())
}

/// The versions and their SQL, with these names.
pub(super) fn migrations(names: &TableNames) -> impl Iterator<Item = (i32, String)> {
    MIGRATIONS.iter().map(|(version, text)| (*version, names.text(text)))
}

/// Runs the next version, unless another process just did.
async fn step(connection: &mut PgConnection, names: &TableNames) -> sqlx::Result<()> {
    let timeout = match knows_transaction_timeout(connection) {
        true => "; SET LOCAL transaction_timeout = 0",
        false => "",
    };
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {NO_LIMITS}{timeout}; {BEGUN_HERE}");
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    if let Some((version, text)) = missing(&mut transaction, names).await? {
        sqlx::raw_sql(AssertSqlSafe(names.text(text))).execute(&mut *transaction).await?;
        tracing::info!(version, "the schema of the store was migrated");
    }
    transaction.commit().await
}

/// The first version that has not run yet.
async fn missing(
    connection: &mut PgConnection,
    names: &TableNames,
) -> sqlx::Result<Option<&'static (i32, &'static str)>> {
    let ran = ran(connection, names).await?;
    Ok(MIGRATIONS.iter().find(|(version, _)| !ran.contains(version)))
}

/// The versions that have run.
async fn ran(connection: &mut PgConnection, names: &TableNames) -> sqlx::Result<Vec<i32>> {
    let table = format!("{}_migrations", names.table());
    let exists = sqlx::query(EXISTS).bind(names.schema()).bind(table);
    if !exists.fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(Vec::new());
    }
    let ran = r#"SELECT version FROM "idempotent"."records_migrations""#;
    sqlx::query_scalar(names.statement(ran)).fetch_all(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_no_gap_and_each_file_adds_its_own() {
        for (at, (version, text)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(*version, at as i32 + 1);
            let says =
                format!(r#""idempotent"."records_migrations" (version) VALUES ({version});"#);
            assert_eq!(text.matches(r#""records_migrations" (version)"#).count(), 1);
            assert!(text.trim_end().ends_with(&says), "version {version}");
            assert_eq!(text.matches('"').count() % 2, 0, "version {version}");
        }
    }
}
