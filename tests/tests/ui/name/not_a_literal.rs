use idempotent_core::{Error, idempotent};

const NAME: &str = "charge";

#[idempotent(key = id, name = NAME)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
