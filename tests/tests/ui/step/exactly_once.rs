use idempotent_core::{Error, idempotent};

#[idempotent(step, guarantee = exactly_once)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
