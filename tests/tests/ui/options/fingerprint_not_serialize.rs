use idempotent_core::{Error, idempotent};

struct Payload;

#[idempotent(key = id, fingerprint = Payload)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
