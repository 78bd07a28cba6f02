use std::pin::Pin;

use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
fn charge(id: u32) -> Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>> {
    Box::pin(async move { Ok(id) })
}

fn main() {
    drop(charge(1));
}
