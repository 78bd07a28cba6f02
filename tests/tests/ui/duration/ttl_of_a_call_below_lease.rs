use idempotent_core::{Error, idempotent};

#[idempotent(key = id, ttl = std::time::Duration::from_secs(5), lease = "1m")]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
