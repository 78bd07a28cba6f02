use idempotent_core::{Error, Idempotency, idempotent};

#[idempotent(key = id, store = engine)]
async fn charge(engine: &Idempotency, id: u32) -> Result<u32, Error> {
    let _ = engine;
    Ok(id)
}

fn main() {
    drop(charge(&Idempotency::new(idempotent_core::backends::MemoryStore::new()), 1));
}
