//! Methods of traits and impls under `#[async_trait]`, which expands before ours.

use std::sync::Arc;

use async_trait::async_trait;
use idempotent_core::{Error, idempotent};
use tracing::instrument;

use crate::{Runs, alone};

struct Json<T>(T);

struct Order {
    id: u32,
}

#[async_trait]
trait Charge: Send + Sync {
    async fn by_reference(&self, json: Json<Order>, note: &str, times: u32) -> Result<u32, Error>;
    async fn by_mut(&mut self, times: u32) -> Result<u32, Error>;
    async fn by_arc(self: Arc<Self>, id: u32) -> Result<u32, Error>;
    async fn without_self(runs: Runs, id: (u32, u32)) -> Result<u32, Error>
    where
        Self: Sized;

    #[idempotent(key = "{self.shop()}:{id}", name = "charge.by_default")]
    async fn by_default(&self, id: u32) -> Result<u32, Error> {
        Ok(self.shop() + id)
    }

    async fn instrumented_below(&self, json: Json<Order>) -> Result<u32, Error>;
    async fn instrumented_above(&self, id: u32) -> Result<u32, Error>;

    fn shop(&self) -> u32;
}

#[derive(Clone, Default)]
struct Gate {
    runs: Runs,
}

#[async_trait]
impl Charge for Gate {
    #[idempotent(
        key = "{self.shop()}:{order.id}:{note}:{times}",
        name = "async_trait.by_reference"
    )]
    async fn by_reference(
        &self,
        Json(order): Json<Order>,
        note: &str,
        mut times: u32,
    ) -> Result<u32, Error> {
        times += order.id;
        assert_eq!((times, note), (5, "note"));
        Ok(self.runs.next())
    }

    #[idempotent(key = (self.shop(), times), name = "async_trait.by_mut")]
    async fn by_mut(&mut self, times: u32) -> Result<u32, Error> {
        self.runs.next();
        Ok(self.runs.next() + times)
    }

    #[idempotent(key = {
        let gate = &self;
        gate.shop() + id
    }, name = "async_trait.by_arc", detach)]
    async fn by_arc(self: Arc<Self>, id: u32) -> Result<u32, Error> {
        if id == 0 {
            return Ok(0);
        }
        Ok(self.runs.next())
    }

    #[idempotent(key = "{Self::KEY}{left}{right}", name = "async_trait.without_self")]
    async fn without_self(runs: Runs, (left, right): (u32, u32)) -> Result<u32, Error> {
        Ok(runs.next() + left + right)
    }

    #[idempotent(key = order.id, scope = self.shop(), name = "async_trait.instrumented_below")]
    #[instrument(skip_all)]
    async fn instrumented_below(&self, Json(order): Json<Order>) -> Result<u32, Error> {
        Ok(self.runs.next() + order.id)
    }

    #[instrument(skip(self))]
    #[idempotent(key = id, scope = self.shop(), name = "async_trait.instrumented_above")]
    async fn instrumented_above(&self, id: u32) -> Result<u32, Error> {
        Ok(self.runs.next() + id)
    }

    fn shop(&self) -> u32 {
        7
    }
}

impl Gate {
    const KEY: &'static str = "key";
}

fn order() -> Json<Order> {
    Json(Order { id: 2 })
}

#[tokio::test]
async fn methods_under_async_trait_replay() {
    let mut gate = Gate::default();
    alone(async {
        for _ in 0..2 {
            assert_eq!(gate.by_reference(order(), "note", 3).await.unwrap(), 1);
            assert_eq!(gate.by_mut(0).await.unwrap(), 3);
            assert_eq!(Arc::new(gate.clone()).by_arc(1).await.unwrap(), 4);
            assert_eq!(Gate::without_self(gate.runs.clone(), (0, 0)).await.unwrap(), 5);
            assert_eq!(gate.instrumented_below(order()).await.unwrap(), 8);
            assert_eq!(gate.instrumented_above(0).await.unwrap(), 7);
            assert_eq!(gate.by_default(1).await.unwrap(), 8);
        }
    })
    .await;
}
