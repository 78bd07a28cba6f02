//! The flag `response` needs the feature `axum`.
//@ `response` requires the feature `axum` of `idempotent-core`
//@ add `features = ["axum"]` to `idempotent-core` in your `Cargo.toml`

use idempotent_core::idempotent;

#[idempotent(key = id, response)]
async fn charge(id: u32) -> String {
    id.to_string()
}

fn main() {
    drop(charge(1));
}
