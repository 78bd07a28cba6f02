use idempotent_core::{Error, idempotent};

#[idempotent(key = id, resume = order)]
async fn charge(id: u32) -> Result<u32, Error> {
    let order = id;
    Ok(order)
}

fn main() {
    drop(charge(1));
}
