//! A shop whose own tables are in the file of the records.

use std::fmt;
use std::time::Duration;

use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::database::Database;

pub(crate) const CHARGE: Operation = Operation::new("shop::charge");

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) engine: Idempotency,
    /// The application's connections.
    pub(crate) pool: SqlitePool,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let database = Database::new();
        let engine = Idempotency::new(database.store().await);
        database.run("CREATE TABLE effects (key TEXT NOT NULL) STRICT").await;
        let pool = database.pool(8, database.options().busy_timeout(Duration::from_secs(30)));
        Self { database, engine, pool }
    }

    pub(crate) async fn begin(&self) -> Transaction<'static, Sqlite> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.unwrap()
    }

    /// A call that takes effect, and says which effect of all it was.
    pub(crate) async fn charge(
        &self,
        tx: &mut SqliteConnection,
        key: &str,
    ) -> Result<i64, ShopError> {
        let call = CHARGE.key(key).engine(&self.engine).returning::<Result<i64, ShopError>>();
        call.run_in(tx, async |tx| effect(tx, key).await).await
    }

    /// A charge in a transaction of its own.
    pub(crate) async fn charge_and_commit(&self, key: &str) -> Result<i64, ShopError> {
        let mut tx = self.begin().await;
        let run = self.charge(&mut tx, key).await?;
        tx.commit().await?;
        Ok(run)
    }

    /// How many effects everybody sees.
    pub(crate) async fn effects(&self) -> i64 {
        self.database.number("SELECT count(*) FROM effects").await
    }
}

pub(crate) async fn effect(tx: &mut SqliteConnection, key: &str) -> Result<i64, ShopError> {
    sqlx::query("INSERT INTO effects VALUES (?1)").bind(key).execute(&mut *tx).await?;
    Ok(sqlx::query_scalar("SELECT count(*) FROM effects").fetch_one(tx).await?)
}

#[derive(Debug)]
pub(crate) enum ShopError {
    Refused(Error),
    Database(sqlx::Error),
    Declined,
}

impl ShopError {
    /// Why the engine refused.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop's own error")
    }
}

impl std::error::Error for ShopError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Declined => None,
        }
    }
}

impl From<Error> for ShopError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for ShopError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
