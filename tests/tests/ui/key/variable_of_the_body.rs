use idempotent_core::{Error, idempotent};

#[idempotent(key = id, fingerprint = order)]
async fn charge(order: u32) -> Result<u32, Error> {
    let id = order + 1;
    Ok(id)
}

fn main() {
    drop(charge(1));
}
