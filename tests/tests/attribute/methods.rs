//! Methods with every receiver, and native async trait methods.

use std::future::Future;
use std::sync::Arc;

use idempotent_core::{Error, idempotent};

use crate::{Runs, alone};

#[derive(Clone, Default)]
struct Gate {
    shop: u32,
    runs: Runs,
}

impl Gate {
    #[idempotent(key = "{self.shop}:{id}", name = "gate.by_reference")]
    async fn by_reference(&self, id: u32) -> Result<u32, Error> {
        Ok(self.runs.next() + id)
    }

    #[idempotent(key = (self.shop, id), name = "gate.by_mut")]
    async fn by_mut(&mut self, id: u32) -> Result<u32, Error> {
        self.shop += 1;
        self.shop -= 1;
        Ok(self.runs.next() + id)
    }

    #[idempotent(key = self.shop, name = "gate.by_value")]
    async fn by_value(mut self) -> Result<u32, Error> {
        self.shop += self.runs.next();
        Ok(self.shop)
    }

    #[idempotent(key = self.shop, name = "gate.by_arc", detach)]
    async fn by_arc(self: Arc<Self>) -> Result<u32, Error> {
        Ok(self.runs.next())
    }

    #[idempotent(key = Self::KEY, name = "gate.associated")]
    async fn associated(runs: &Runs) -> Result<u32, Error> {
        Ok(runs.next())
    }

    const KEY: &'static str = "key";
}

#[tokio::test]
async fn every_receiver_replays() {
    let mut gate = Gate::default();
    alone(async {
        for _ in 0..2 {
            assert_eq!(gate.by_reference(0).await.unwrap(), 1);
            assert_eq!(gate.by_mut(0).await.unwrap(), 2);
            assert_eq!(gate.clone().by_value().await.unwrap(), 3);
            assert_eq!(Arc::new(gate.clone()).by_arc().await.unwrap(), 4);
            assert_eq!(Gate::associated(&gate.runs).await.unwrap(), 5);
        }
        assert_eq!(gate.by_reference(1).await.unwrap(), 7);
    })
    .await;
}

trait Charge {
    type Receipt;

    fn charge(&self, id: u32) -> impl Future<Output = Result<Self::Receipt, Error>> + Send;

    #[allow(async_fn_in_trait)]
    #[idempotent(key = id, name = "charge.refund")]
    async fn refund(&self, id: u32) -> Result<u32, Error> {
        Ok(self.count() + id)
    }

    fn count(&self) -> u32;
}

impl Charge for Gate {
    type Receipt = u32;

    #[idempotent(key = "{self.shop}:{id}", name = "gate.charge")]
    async fn charge(&self, id: u32) -> Result<Self::Receipt, Error> {
        tokio::task::yield_now().await;
        Ok(self.runs.next() + id)
    }

    fn count(&self) -> u32 {
        self.runs.next()
    }
}

async fn charge_twice(gate: impl Charge<Receipt = u32> + Sync) -> (u32, u32) {
    (gate.charge(0).await.unwrap(), gate.charge(0).await.unwrap())
}

#[tokio::test]
async fn native_trait_methods_replay() {
    let gate = Gate::default();
    alone(async {
        assert_eq!(charge_twice(gate.clone()).await, (1, 1));
        assert_eq!(gate.refund(0).await.unwrap(), 2);
        assert_eq!(gate.refund(0).await.unwrap(), 2);
    })
    .await;
}
