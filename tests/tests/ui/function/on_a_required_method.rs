use idempotent_core::{Error, idempotent};

trait Charge {
    #[idempotent(key = id, name = "charge")]
    async fn charge(&self, id: u32) -> Result<u32, Error>;
}

struct Gate;

impl Charge for Gate {
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
