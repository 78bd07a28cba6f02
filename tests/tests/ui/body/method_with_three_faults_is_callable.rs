use idempotent_core::{Error, idempotent};

struct Gate;

impl Gate {
    #[idempotent(ttl = "1 fortnight", lease = "x", storage = 1)]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

async fn caller() -> Result<u32, Error> {
    Gate.charge(1).await
}

fn main() {
    drop(caller());
}
