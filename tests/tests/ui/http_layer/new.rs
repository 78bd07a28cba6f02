use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, http::IdempotencyLayer};

fn main() {
    let engine = Idempotency::new(MemoryStore::new());
    let _ = IdempotencyLayer::new(engine);
}
