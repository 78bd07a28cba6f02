//! The schema, in versions: the files of `migrations/sqlite`, run in their order, once each.
//!
//! Each file runs in a transaction and says in the table of versions that it ran. A new version is
//! a new file and a new line in [`MIGRATIONS`]; a file that was released never changes.

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::names::Names;

/// The versions, from 1 on without a gap.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../migrations/sqlite/0001_records.sql")),
    (2, include_str!("../../../migrations/sqlite/0002_transactions.sql")),
];

const EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";

const VERSION: &str = r#"SELECT coalesce(max(version), 0) FROM "idempotent_records_migrations""#;

/// Brings the schema to the newest version, and says which one is there then: a newer one, if a
/// newer release made it.
pub(super) async fn migrate(connection: &mut SqliteConnection, names: &Names) -> sqlx::Result<i64> {
    // Without a lock, and without a right to write, where there is nothing to do.
    while version(connection, names).await? < newest() {
        step(connection, names).await?;
    }
    version(connection, names).await
}

/// The version that this code needs.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, _)| *version).max().unwrap_or_default()
}

/// Runs the next version, unless another process just did.
async fn step(connection: &mut SqliteConnection, names: &Names) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = version(&mut transaction, names).await?;
    if let Some((version, text)) = MIGRATIONS.iter().find(|(version, _)| *version > found) {
        sqlx::raw_sql(AssertSqlSafe(names.text(text))).execute(&mut *transaction).await?;
        tracing::info!(version, "the schema of the store was migrated");
    }
    transaction.commit().await
}

/// The version that is there; 0 for none.
async fn version(connection: &mut SqliteConnection, names: &Names) -> sqlx::Result<i64> {
    let table = format!("{}_migrations", names.table());
    let exists = sqlx::query(EXISTS).bind(table).fetch_one(&mut *connection).await?;
    if !exists.try_get(0)? {
        return Ok(0);
    }
    sqlx::query(names.statement(VERSION)).fetch_one(connection).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_no_gap_and_each_file_says_its_own() {
        for (at, (version, text)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(*version, at as i64 + 1);
            let says = format!("\"idempotent_records_migrations\" (version) VALUES ({version});");
            assert!(text.trim_end().ends_with(&says), "version {version}");
            assert_eq!(text.matches('"').count() % 2, 0, "version {version}");
        }
    }
}
