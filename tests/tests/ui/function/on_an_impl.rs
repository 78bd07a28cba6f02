use idempotent_core::{Error, idempotent};

struct Gate;

#[idempotent(key = id)]
impl Gate {
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
