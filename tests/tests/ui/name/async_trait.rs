use async_trait::async_trait;
use idempotent_core::{Error, idempotent};

#[async_trait]
trait Charge {
    async fn charge(&self, id: u32) -> Result<u32, Error>;
}

struct Gate;

#[async_trait]
impl Charge for Gate {
    #[idempotent(key = id)]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
