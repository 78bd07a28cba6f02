//! The limit: the plain statements that nobody can leave out, on a table with the two indexes that
//! finding and sweeping ask for.

use std::error::Error;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS plain (
    key text PRIMARY KEY, token bytea NOT NULL, lapses_at timestamptz, expires_at timestamptz,
    result bytea);
    CREATE INDEX IF NOT EXISTS plain_expiry ON plain (expires_at)";

const RESERVE: &str = "INSERT INTO plain (key, token, lapses_at)
    VALUES ($1, $2, clock_timestamp() + interval '30 seconds') ON CONFLICT (key) DO NOTHING";

const COMPLETE: &str =
    "UPDATE plain SET result = $3, expires_at = clock_timestamp() + interval '1 day'
    WHERE key = $1 AND token = $2 AND expires_at IS NULL";

const REPLAY: &str = "SELECT result FROM plain WHERE key = $1 AND expires_at > clock_timestamp()";

pub(crate) struct Limit(PgPool);

impl Limit {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        let pool = PgPoolOptions::new().max_connections(10).test_before_acquire(false);
        let pool = pool.connect(url).await?;
        sqlx::raw_sql(TABLE).execute(&pool).await?;
        Ok(Self(pool))
    }
}

fn encoded() -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder =
        rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    receipt().serialize(&mut encoder)?;
    Ok(bytes)
}

#[async_trait]
impl Side for Limit {
    fn name(&self) -> &'static str {
        "plain statements"
    }

    async fn execute(&self, key: &str) -> Outcome {
        let token = [7_u8; 16];
        let reserve = sqlx::query(RESERVE).bind(key).bind(&token[..]).execute(&self.0).await?;
        assert_eq!(reserve.rows_affected(), 1, "keys are fresh");
        let complete = sqlx::query(COMPLETE).bind(key).bind(&token[..]).bind(encoded()?);
        assert_eq!(complete.execute(&self.0).await?.rows_affected(), 1);
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        let row = sqlx::query(REPLAY).bind(key).fetch_one(&self.0).await?;
        let bytes: &[u8] = row.try_get(0)?;
        let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
        std::hint::black_box(Receipt::deserialize(&mut decoder)?);
        Ok(())
    }
}
