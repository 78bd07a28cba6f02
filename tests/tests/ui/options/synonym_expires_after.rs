use idempotent_core::{Error, idempotent};

#[idempotent(key = id, expires_after = "24h")]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
