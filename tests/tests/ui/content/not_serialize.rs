use idempotent_core::{Error, idempotent};

pub struct Order;

#[idempotent(key = content(&order))]
async fn charge(order: Order) -> Result<u32, Error> {
    drop(order);
    Ok(1)
}

fn main() {
    drop(charge(Order));
}
