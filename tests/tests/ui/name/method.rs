use idempotent_core::{Error, idempotent};

struct Gate;

impl Gate {
    #[idempotent(key = id)]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
