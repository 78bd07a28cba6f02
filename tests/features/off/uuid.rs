//! `Uuid` is a key only with the feature `uuid`.
//@ `Uuid` cannot be an idempotency key
//@ `uuid::Uuid` is a key with the feature `uuid` of `idempotent-core`, which is off: add `features = ["uuid"]`

use idempotent_core::{Error, idempotent};

/// Stands for the one of the crate `uuid`.
pub struct Uuid;

#[idempotent(key = id)]
async fn charge(id: Uuid) -> Result<u32, Error> {
    drop(id);
    Ok(1)
}

fn main() {
    drop(charge(Uuid));
}
