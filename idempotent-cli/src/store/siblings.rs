//! Other stores of a database in which the one that is asked for is not there.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Error, query_as, query_scalar};
use tokio::time::timeout;

use super::address::Address;
use super::settings::Settings;

/// A store has a table of records, and beside it one that says which versions of the schema have run.
const IN_POSTGRES: &str = "\
    SELECT n.nspname::text, r.relname::text FROM pg_class r \
    JOIN pg_class m ON m.relnamespace = r.relnamespace AND m.relname::text = r.relname::text || '_migrations' \
    JOIN pg_namespace n ON n.oid = r.relnamespace \
    WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname = 'record') \
    ORDER BY 1, 2 LIMIT 5";
const IN_SQLITE: &str = "\
    SELECT r.name FROM sqlite_master r JOIN sqlite_master m ON m.name = r.name || '_migrations' \
    WHERE r.type = 'table' ORDER BY 1 LIMIT 5";

/// A store, by the options that name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sibling {
    /// `None` in `SQLite`.
    schema: Option<String>,
    table: String,
}

impl Sibling {
    pub(super) fn is(&self, schema: &str, table: Option<&str>) -> bool {
        let default = if self.schema.is_some() { "records" } else { "idempotent_records" };
        self.schema.as_deref().is_none_or(|own| own == schema)
            && self.table == table.unwrap_or(default)
    }

    pub(super) fn options(&self) -> String {
        match &self.schema {
            Some(schema) => format!("--schema {schema} --table {}", self.table),
            None => format!("--table {}", self.table),
        }
    }
}

/// The stores that are there. None if that cannot be asked, since it is only a hint.
pub(super) async fn siblings(settings: &Settings, limit: Duration) -> Vec<Sibling> {
    let asked = timeout(limit, ask(settings)).await;
    asked.ok().and_then(Result::ok).unwrap_or_default()
}

async fn ask(settings: &Settings) -> Result<Vec<Sibling>, Error> {
    match &settings.address {
        Address::Postgres(url) => {
            let (username, password) = settings.login();
            let mut options: PgConnectOptions = url.parse()?;
            if let Some(username) = username {
                options = options.username(&username);
            }
            if let Some(password) = password {
                options = options.password(&password);
            }
            let mut connection = PgConnection::connect_with(&options).await?;
            let found: Vec<(String, String)> =
                query_as(IN_POSTGRES).fetch_all(&mut connection).await?;
            connection.close().await?;
            let sibling = |(schema, table)| Sibling { schema: Some(schema), table };
            Ok(found.into_iter().map(sibling).collect())
        }
        Address::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path).read_only(true);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let found: Vec<String> = query_scalar(IN_SQLITE).fetch_all(&mut connection).await?;
            connection.close().await?;
            Ok(found.into_iter().map(|table| Sibling { schema: None, table }).collect())
        }
        _ => Ok(Vec::new()),
    }
}
