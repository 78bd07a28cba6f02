use idempotent_core::{Error, idempotent};

#[idempotent(key = 7)]
async fn charge(amount: u32, order_id: u32) -> Result<u32, Error> {
    Ok(amount + order_id)
}

fn main() {
    drop(charge(1, 2));
}
