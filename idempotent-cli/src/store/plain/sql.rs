//! Plain statements to PostgreSQL and `SQLite`, about rows of the store's own table.

use std::path::Path;

use idempotent_core::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr as _, SqlStr, SqlitePool};

use super::commands::PlainSettings;

#[derive(Clone)]
pub(super) enum SqlConnection {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// $1 is the id. Of those that write, $2 is the token and $3 the record.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) reserve: SqlStr,
    pub(super) complete: SqlStr,
    pub(super) read: SqlStr,
}

impl SqlConnection {
    pub(super) async fn postgres(
        settings: &PlainSettings<'_>,
        url: &str,
    ) -> Result<Self, StoreError> {
        let mut options: PgConnectOptions = url.parse().map_err(StoreError::unavailable)?;
        if let Some(username) = settings.username {
            options = options.username(username);
        }
        if let Some(password) = &settings.password {
            options = options.password(password);
        }
        let pool = PgPoolOptions::new().max_connections(settings.connections);
        pool.connect_with(options).await.map(Self::Postgres).map_err(StoreError::unavailable)
    }

    /// As durable as the store's own writes.
    pub(super) async fn sqlite(
        settings: &PlainSettings<'_>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(settings.limit);
        let pool = SqlitePoolOptions::new().max_connections(settings.connections);
        pool.connect_with(options).await.map(Self::Sqlite).map_err(StoreError::unavailable)
    }

    /// Whether a statement changes a row.
    pub(super) async fn changes(
        &self,
        statement: &SqlStr,
        [id, token, record]: &[&[u8]; 3],
    ) -> Result<bool, StoreError> {
        let changed = match self {
            Self::Postgres(pool) => {
                let query = sqlx::query(statement.clone()).bind(id).bind(token).bind(record);
                query.execute(pool).await.map(|done| done.rows_affected())
            }
            Self::Sqlite(pool) => {
                let query = sqlx::query(statement.clone()).bind(*id).bind(*token).bind(*record);
                query.execute(pool).await.map(|done| done.rows_affected())
            }
        };
        changed.map(|rows| rows == 1).map_err(StoreError::unavailable)
    }

    /// Whether a statement finds a row.
    pub(super) async fn finds(&self, statement: &SqlStr, id: &[u8]) -> Result<bool, StoreError> {
        let found = match self {
            Self::Postgres(pool) => {
                let query = sqlx::query(statement.clone()).bind(id);
                query.fetch_optional(pool).await.map(|row| row.is_some())
            }
            Self::Sqlite(pool) => {
                let query = sqlx::query(statement.clone()).bind(id);
                query.fetch_optional(pool).await.map(|row| row.is_some())
            }
        };
        found.map_err(StoreError::unavailable)
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Statements {
    pub(super) fn postgres(schema: &str, table: &str, operation: &str) -> Self {
        let table = format!("{}.{}", quoted(schema), quoted(table));
        Self::new(&table, operation, |interval| match interval {
            None => "now()".to_owned(),
            Some(seconds) => format!("now() + interval '{seconds} seconds'"),
        })
    }

    pub(super) fn sqlite(table: &str, operation: &str) -> Self {
        Self::new(&quoted(table), operation, |interval| {
            let seconds = interval.unwrap_or_default();
            format!("CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) + {seconds}000")
        })
    }

    /// For a table, and a way to write the time, so many seconds from now.
    fn new(table: &str, operation: &str, at: impl Fn(Option<u32>) -> String) -> Self {
        let (now, lapse, end) = (at(None), at(Some(30)), at(Some(600)));
        let reserve = format!(
            "INSERT INTO {table} (id, operation, token, guarantee, record, lapses_at, retention) \
             VALUES ($1, '{operation}', $2, 0, $3, {lapse}, {end} - {now}) ON CONFLICT (id) DO NOTHING"
        );
        let complete = format!(
            "UPDATE {table} SET record = $3, lapses_at = NULL, expires_at = {end} \
             WHERE id = $1 AND token = $2 AND expires_at IS NULL"
        );
        let read = format!("SELECT record FROM {table} WHERE id = $1 AND expires_at > {now}");
        let [reserve, complete, read] =
            [reserve, complete, read].map(|sql| AssertSqlSafe(sql).into_sql_str());
        Self { reserve, complete, read }
    }
}

/// An SQL name.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
