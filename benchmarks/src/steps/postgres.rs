//! On PostgreSQL, where every commit waits for the disk: beside the crate `durare`, and twelve plain statements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_servers::{Postgres, PostgresVersion};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::STEPS;
use crate::by_hand::encoded;
use crate::ours::{Failure, Ours};
use crate::peer::Durare;
use crate::receipt::receipt;
use crate::side::Outcome;
use crate::turns::{Checkout, Plan, compare};

const TABLES: &str = "CREATE TABLE plain (
        key text PRIMARY KEY, token bytea NOT NULL, lapses_at timestamptz, expires_at timestamptz, result bytea);
    CREATE INDEX plain_expiry ON plain (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE plain_steps (key text, step text, result bytea NOT NULL, PRIMARY KEY (key, step))";

const RESERVE: &str = "INSERT INTO plain (key, token, lapses_at)
    VALUES ($1, $2, clock_timestamp() + interval '30 seconds') ON CONFLICT (key) DO NOTHING";

const WRITE: &str = "WITH own AS (
        SELECT key FROM plain WHERE key = $1 AND token = $2 AND expires_at IS NULL FOR SHARE)
    INSERT INTO plain_steps (key, step, result) SELECT key, $3, $4 FROM own
    ON CONFLICT (key, step) DO UPDATE SET result = excluded.result";

const COMPLETE: &str = "WITH ended AS (DELETE FROM plain_steps WHERE key = $1)
    UPDATE plain SET result = $3, expires_at = clock_timestamp() + interval '1 day'
    WHERE key = $1 AND token = $2 AND expires_at IS NULL";

const PATIENCE: Duration = Duration::from_secs(30);

struct ByHand(PgPool);

impl ByHand {
    async fn connect(url: &str) -> sqlx::Result<Self> {
        let options = PgPoolOptions::new().max_connections(10).test_before_acquire(false);
        let pool = options.connect(url).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(Self(pool))
    }
}

#[async_trait]
impl Checkout for ByHand {
    fn name(&self) -> &'static str {
        "twelve plain statements"
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let token = [7_u8; 16];
        let reserve = sqlx::query(RESERVE).bind(key).bind(&token[..]).execute(&self.0).await?;
        assert_eq!(reserve.rows_affected(), 1, "keys are fresh");
        for name in STEPS {
            let write = sqlx::query(WRITE).bind(key).bind(&token[..]).bind(name);
            let write = write.bind(encoded(&receipt())?).execute(&self.0).await?;
            assert_eq!(write.rows_affected(), 1);
        }
        let complete = sqlx::query(COMPLETE).bind(key).bind(&token[..]).bind(encoded(&receipt())?);
        assert_eq!(complete.execute(&self.0).await?.rows_affected(), 1);
        Ok(())
    }
}

pub(crate) async fn store(url: &str, is_grouping: bool) -> Result<PostgresStore, Failure> {
    let builder = PostgresStore::builder(url).response_timeout(PATIENCE);
    Ok(builder.group_commits(is_grouping).connect().await?)
}

pub(crate) fn measure() -> Result<(), Failure> {
    for tasks in [64, 1] {
        let runtime = crate::runtime(tasks)?;
        runtime.block_on(async {
            let builder = Postgres::builder().version(PostgresVersion::Distribution);
            let server = builder.fsync(true).start().await;
            let url = server.url();
            let alone = Idempotency::new(store(&url, false).await?);
            let sides: [Arc<dyn Checkout>; 4] = [
                Arc::new(Durare::connect(&url).await?),
                Arc::new(Ours::new(Idempotency::new(store(&url, true).await?))),
                Arc::new(Ours::named("… each write alone", "shop::checkout_alone", alone)),
                Arc::new(ByHand::connect(&url).await?),
            ];
            println!("\nPostgreSQL 15, fsync on");
            let calls = if tasks == 1 { 16 } else { 256 };
            compare(&sides, Plan { tasks, calls, rounds: 11 }).await;
            Ok::<(), Failure>(())
        })?;
    }
    Ok(())
}
