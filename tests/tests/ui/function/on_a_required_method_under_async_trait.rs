use idempotent_core::{Error, idempotent};

#[async_trait::async_trait]
trait Charge {
    #[idempotent(key = id)]
    async fn charge(&self, id: u32) -> Result<u32, Error>;
}

struct Gate;

#[async_trait::async_trait]
impl Charge for Gate {
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
