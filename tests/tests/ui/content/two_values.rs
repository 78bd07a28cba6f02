use idempotent_core::{Error, idempotent};

#[idempotent(key = content(id, amount))]
async fn charge(id: u32, amount: u32) -> Result<u32, Error> {
    Ok(id + amount)
}

fn main() {
    drop(charge(1, 2));
}
