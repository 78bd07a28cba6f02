//! Calls within a transaction of the caller's: by `run_in`, and by the same statements by hand. Both
//! begin and commit the transaction, and in it book an order.

use std::error::Error;

use idempotent_core::{Guarantee, Idempotency, Operation};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, PgPool, Row};

use crate::limit::{COMPLETE, RESERVE, decoded, encoded};
use crate::ours::store;
use crate::receipt::{Receipt, receipt};
use crate::side::{Failure, Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge").guarantee(Guarantee::ExactlyOnce);

const ORDERS: &str = "CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount bigint NOT NULL)";

const FOUND: &str = "SELECT result FROM plain WHERE key = $1";

/// By hand.
pub(crate) struct ByHand(PgPool);

/// By `run_in`, over the same pool.
pub(crate) struct RunIn {
    pool: PgPool,
    engine: Idempotency,
}

/// What the calls are for.
async fn book(connection: &mut PgConnection) -> Result<Receipt, sqlx::Error> {
    let order = sqlx::query("INSERT INTO orders (amount) VALUES ($1)").bind(12_345_i64);
    order.execute(connection).await?;
    Ok(receipt())
}

impl ByHand {
    pub(crate) async fn new(pool: PgPool) -> Result<Self, Box<dyn Error>> {
        sqlx::raw_sql(ORDERS).execute(&pool).await?;
        Ok(Self(pool))
    }

    async fn call(&self, key: &str) -> Outcome {
        let token = [7_u8; 16];
        let mut tx = self.0.begin().await?;
        let reserve = sqlx::query(RESERVE).bind(key).bind(&token[..]).execute(&mut *tx).await?;
        if reserve.rows_affected() == 0 {
            let row = sqlx::query(FOUND).bind(key).fetch_one(&mut *tx).await?;
            std::hint::black_box(decoded(row.try_get(0)?)?);
        } else {
            tx.execute("SAVEPOINT body").await?;
            let receipt = book(&mut tx).await?;
            tx.execute("RELEASE SAVEPOINT body").await?;
            let complete =
                sqlx::query(COMPLETE).bind(key).bind(&token[..]).bind(encoded(&receipt)?);
            assert_eq!(complete.execute(&mut *tx).await?.rows_affected(), 1);
        }
        tx.commit().await?;
        Ok(())
    }
}

impl RunIn {
    pub(crate) async fn connect(pool: PgPool, url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self { pool, engine: Idempotency::new(store(url).await?) })
    }

    async fn call(&self, key: &str) -> Outcome {
        let mut tx = self.pool.begin().await?;
        let call = CHARGE.key(key).engine(&self.engine).returning::<Result<Receipt, Failure>>();
        let call = call.in_transaction(&mut tx).run(|tx| async move {
            let receipt = book(tx).await;
            (tx, receipt.map_err(Failure::from))
        });
        std::hint::black_box(call.await?);
        tx.commit().await?;
        Ok(())
    }
}

impl Side for ByHand {
    fn name(&self) -> &'static str {
        "by hand"
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}

impl Side for RunIn {
    fn name(&self) -> &'static str {
        "run_in"
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
