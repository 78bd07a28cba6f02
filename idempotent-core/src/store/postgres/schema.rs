//! The schema, in versions: the files of `migrations/postgres`, run in their order, once each.
//!
//! Each file runs in a transaction and says in the table of versions that it ran. A new version is
//! a new file and a new line in [`MIGRATIONS`]; a file that was released never changes.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::names::Names;

/// The versions, from 1 on without a gap.
const MIGRATIONS: &[(i32, &str)] = &[
    (1, include_str!("../../../migrations/postgres/0001_records.sql")),
    (2, include_str!("../../../migrations/postgres/0002_transactions.sql")),
    (3, include_str!("../../../migrations/postgres/0003_outbox.sql")),
];

/// The lock that one process of many holds while it migrates: one a database, since two tables may
/// be the first of one schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('idempotent.migrate', 0))";

/// Not `to_regclass`, which may answer from before the lock was waited for.
const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_class AS c \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";

/// The tables may be in use, and a tool that comes first may take its time: the limits of this
/// connection are for calls.
const NO_LIMITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

/// Runs the versions that did not run yet.
pub(super) async fn migrate(connection: &mut PgConnection, names: &Names) -> sqlx::Result<()> {
    // Without a lock and without a right to create anything, where there is nothing to do.
    while missing(connection, names).await?.is_some() {
        step(connection, names).await?;
    }
    Ok(())
}

/// The texts of all versions, under these names.
pub(super) fn texts(names: &Names) -> impl Iterator<Item = (i32, String)> {
    MIGRATIONS.iter().map(|(version, text)| (*version, names.text(text)))
}

/// Runs the next version, unless somebody else just did.
async fn step(connection: &mut PgConnection, names: &Names) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    sqlx::raw_sql(NO_LIMITS).execute(&mut *transaction).await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    if let Some((version, text)) = missing(&mut transaction, names).await? {
        sqlx::raw_sql(AssertSqlSafe(names.text(text))).execute(&mut *transaction).await?;
        tracing::info!(version, "the schema of the store was migrated");
    }
    transaction.commit().await
}

/// The first version that did not run yet.
async fn missing(
    connection: &mut PgConnection,
    names: &Names,
) -> sqlx::Result<Option<&'static (i32, &'static str)>> {
    let table = format!("{}_migrations", names.table());
    let exists = sqlx::query(EXISTS).bind(names.schema()).bind(table);
    if !exists.fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(MIGRATIONS.first());
    }
    let ran = r#"SELECT version FROM "idempotent"."records_migrations""#;
    let ran: Vec<i32> = sqlx::query_scalar(names.statement(ran)).fetch_all(connection).await?;
    Ok(MIGRATIONS.iter().find(|(version, _)| !ran.contains(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_no_gap_and_each_file_says_its_own() {
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
