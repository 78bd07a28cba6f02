//! The flag `grpc` needs the feature `tonic`.
//@ `grpc` requires the feature `tonic` of `idempotent-core`
//@ add `features = ["tonic"]` to `idempotent-core` in your `Cargo.toml`

use idempotent_core::{Error, idempotent};

#[idempotent(key = id, grpc)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
