use idempotent_core::{Error, idempotent};

#[idempotent(key = id, resume)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
