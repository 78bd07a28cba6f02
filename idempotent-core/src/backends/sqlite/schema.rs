//! The versions of the schema: the files of `migrations/sqlite`, each run once, in their order.
//!
//! Each file runs in a transaction, and adds its version to the table of versions. A new version is a new
//! file and a new line in [`MIGRATIONS`]. A released file never changes.

use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::table_names::TableNames;

/// The versions from 1 on, without a gap.
const MIGRATIONS: &[(i32, &str)] = &[
    (1, include_str!("../../../migrations/sqlite/0001_records.sql")),
    (2, include_str!("../../../migrations/sqlite/0002_transactions.sql")),
    (3, include_str!("../../../migrations/sqlite/0003_scopes.sql")),
    (4, include_str!("../../../migrations/sqlite/0004_journals.sql")),
];

const EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";

const VERSION: &str = r#"SELECT coalesce(max(version), 0) FROM "idempotent_records_migrations""#;

/// Runs the versions that have not run yet, and returns the version of the tables: a newer one, if a newer
/// release made them.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    names: &TableNames,
) -> sqlx::Result<i64> {
    // If all have run, this takes no lock and needs no right to write.
    while version(connection, names).await? < newest() {
        step(connection, names).await?;
    }
    version(connection, names).await
}

/// The version that this code needs.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, _)| i64::from(*version)).max().unwrap_or_default()
}

/// The versions and their SQL, with these names.
pub(super) fn migrations(names: &TableNames) -> impl Iterator<Item = (i32, String)> {
    MIGRATIONS.iter().map(|(version, text)| (*version, names.text(text)))
}

/// Runs the next version, unless another process just did.
async fn step(connection: &mut SqliteConnection, names: &TableNames) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = version(&mut transaction, names).await?;
    if let Some((version, text)) =
        MIGRATIONS.iter().find(|(version, _)| i64::from(*version) > found)
    {
        sqlx::raw_sql(AssertSqlSafe(names.text(text))).execute(&mut *transaction).await?;
        tracing::info!(version, "the schema of the store was migrated");
    }
    transaction.commit().await
}

/// The version of the tables; 0 if there are none.
pub(super) async fn version(
    connection: &mut SqliteConnection,
    names: &TableNames,
) -> sqlx::Result<i64> {
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
    fn versions_have_no_gap_and_each_file_adds_its_own() {
        for (at, (version, text)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(*version, at as i32 + 1);
            let says = format!("\"idempotent_records_migrations\" (version) VALUES ({version});");
            assert!(text.trim_end().ends_with(&says), "version {version}");
            assert_eq!(text.matches('"').count() % 2, 0, "version {version}");
        }
    }
}
