use idempotent_core::{Error, idempotent};

struct Order {
    id: u32,
}

#[idempotent(key = order.id, resume = order)]
async fn charge(order: Order) -> Result<u32, Error> {
    Ok(order.id)
}

fn main() {
    drop(charge(Order { id: 1 }));
}
