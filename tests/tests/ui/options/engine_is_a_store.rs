use idempotent_core::backends::MemoryStore;
use idempotent_core::{Error, idempotent};

#[idempotent(key = id, engine = store)]
async fn charge(store: MemoryStore, id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(MemoryStore::new(), 1));
}
