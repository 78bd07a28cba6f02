use idempotent_core::{Error, idempotent};

#[idempotent(key = id, engine = idempotent_core::Idempotency::new(idempotent_core::backends::MemoryStore::new()))]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
