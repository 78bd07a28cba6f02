use idempotent_core::{Error, idempotent};

struct Gate;

#[async_trait::async_trait]
trait Charge {
    async fn charge(&self, pair: (u32, u32)) -> Result<u32, Error>;
}

#[async_trait::async_trait]
impl Charge for Gate {
    #[idempotent(key = "order", name = "charge")]
    async fn charge(&self, (order, _amount): (u32, u32)) -> Result<u32, Error> {
        Ok(order)
    }
}

fn main() {
    drop(Gate.charge((1, 2)));
}
