use idempotent_core::{Error, idempotent};

#[idempotent(key = id, resume = id, guarantee = at_most_once)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
