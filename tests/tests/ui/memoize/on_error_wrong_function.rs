use idempotent_core::{Error, idempotent};

fn disposition(_: u32) {}

#[idempotent(key = id, on_error = disposition)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
