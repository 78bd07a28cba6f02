use idempotent_core::{Error, idempotent};
use std::time::SystemTime;

#[idempotent(key = id, resume = (id, SystemTime::now()))]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
