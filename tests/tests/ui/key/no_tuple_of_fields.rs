use idempotent_core::{Error, idempotent};

pub struct Order {
    id: u32,
    amount: u32,
    card: String,
}

#[idempotent(key = order.id, order.amount, order.card)]
async fn charge(order: Order) -> Result<u32, Error> {
    Ok(order.id + order.amount + order.card.len() as u32)
}

fn main() {
    drop(charge(Order { id: 1, amount: 2, card: String::new() }));
}
