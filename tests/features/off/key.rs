//! What is no key with any feature is told what to write before it is told of features.
//@ `Vec<u32>` cannot be an idempotency key
//@ `content(&value)` for whatever is `Serialize`
//@ must be awaited
//@ `uuid::Uuid` is a key with the feature `uuid` of `idempotent-core`, which is off: add `features = ["uuid"]`

use idempotent_core::{Error, idempotent};

#[idempotent(key = ids)]
async fn charge(ids: Vec<u32>) -> Result<u32, Error> {
    Ok(ids[0])
}

fn main() {
    drop(charge(vec![1]));
}
