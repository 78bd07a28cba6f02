//! The crate `durare`: a workflow of ten steps.

use std::sync::Arc;

use async_trait::async_trait;
use durare::{DurableContext, DurableEngine, PostgresProvider, WorkflowOptions};
use peer_sqlx::postgres::PgPoolOptions;

use crate::STEPS;
use crate::ours::Failure;
use crate::receipt::{Receipt, receipt};
use crate::side::Outcome;
use crate::turns::Checkout;

pub(crate) struct Durare(DurableEngine);

impl Durare {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        // Ten, and the one on which it listens.
        let pool = PgPoolOptions::new().max_connections(11).test_before_acquire(false);
        let provider = PostgresProvider::from_pool_with_schema(pool.connect(url).await?, "dbos")?;
        let mut builder = DurableEngine::builder(Arc::new(provider));
        builder.register("checkout", checkout);
        Ok(Self(builder.build().await?))
    }
}

async fn checkout(context: DurableContext, _order: String) -> durare::Result<Receipt> {
    for name in STEPS {
        std::hint::black_box(context.step(name, || async { Ok(receipt()) }).await?);
    }
    Ok(receipt())
}

#[async_trait]
impl Checkout for Durare {
    fn name(&self) -> &'static str {
        "durare 0.5"
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let options = WorkflowOptions::with_id(key);
        let run = self.0.start::<String, Receipt>("checkout", key.to_owned(), options).await?;
        std::hint::black_box(run.await?);
        Ok(())
    }
}
