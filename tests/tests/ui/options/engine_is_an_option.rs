use idempotent_core::{Error, Idempotency, idempotent};

#[idempotent(key = id, engine = engine)]
async fn charge(engine: Option<Idempotency>, id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(None, 1));
}
