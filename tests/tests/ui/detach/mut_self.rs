use idempotent_core::{Error, idempotent};

struct Gate;

impl Gate {
    #[idempotent(key = id, name = "charge", detach)]
    async fn charge(&mut self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Gate.charge(1));
}
