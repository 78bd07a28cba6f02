//! The limit: the plain statements that nobody can leave out, on a table with the two indexes that
//! finding and sweeping ask for. The latter is without what is not completed, by which a plan could
//! otherwise look for the row to complete, among all those that were.

use std::error::Error;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool, Row};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS plain (
    key text PRIMARY KEY, token bytea NOT NULL, lapses_at timestamptz, expires_at timestamptz,
    result bytea);
    CREATE INDEX IF NOT EXISTS plain_expiry ON plain (expires_at) WHERE expires_at IS NOT NULL";

pub(crate) const RESERVE: &str = "INSERT INTO plain (key, token, lapses_at)
    VALUES ($1, $2, clock_timestamp() + interval '30 seconds') ON CONFLICT (key) DO NOTHING";

pub(crate) const COMPLETE: &str =
    "UPDATE plain SET result = $3, expires_at = clock_timestamp() + interval '1 day'
    WHERE key = $1 AND token = $2 AND expires_at IS NULL";

const REPLAY: &str = "SELECT result FROM plain WHERE key = $1 AND expires_at > clock_timestamp()";

pub(crate) struct Limit(PgPool);

/// Connections as those of a store are: a plan that was made while the table was empty does not read
/// all of it later.
pub(crate) async fn pool(url: &str) -> sqlx::Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(10).test_before_acquire(false);
    let options = options.after_connect(|connection, _| {
        Box::pin(async move { connection.execute("SET enable_seqscan = off").await.map(drop) })
    });
    options.connect(url).await
}

impl Limit {
    pub(crate) async fn new(pool: PgPool) -> Result<Self, Box<dyn Error>> {
        sqlx::raw_sql(TABLE).execute(&pool).await?;
        Ok(Self(pool))
    }
}

pub(crate) fn encoded(receipt: &Receipt) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder =
        rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    receipt.serialize(&mut encoder)?;
    Ok(bytes)
}

pub(crate) fn decoded(bytes: &[u8]) -> Result<Receipt, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    Receipt::deserialize(&mut decoder)
}

impl Side for Limit {
    fn name(&self) -> &'static str {
        "plain statements"
    }

    async fn execute(&self, key: &str) -> Outcome {
        let token = [7_u8; 16];
        let reserve = sqlx::query(RESERVE).bind(key).bind(&token[..]).execute(&self.0).await?;
        assert_eq!(reserve.rows_affected(), 1, "keys are fresh");
        let complete = sqlx::query(COMPLETE).bind(key).bind(&token[..]).bind(encoded(&receipt())?);
        assert_eq!(complete.execute(&self.0).await?.rows_affected(), 1);
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        let row = sqlx::query(REPLAY).bind(key).fetch_one(&self.0).await?;
        std::hint::black_box(decoded(row.try_get(0)?)?);
        Ok(())
    }
}
