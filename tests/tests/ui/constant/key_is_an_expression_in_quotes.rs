use idempotent_core::{Error, idempotent};

pub struct Order {
    id: u32,
}

#[idempotent(key = "order.id")]
async fn charge(order: Order) -> Result<u32, Error> {
    Ok(order.id)
}

fn main() {
    drop(charge(Order { id: 1 }));
}
