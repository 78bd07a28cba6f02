use idempotent_core::{Error, idempotent};

#[idempotent(key = "order:{id}:{amount}")]
async fn charge(id: u32, amount: f32) -> Result<u32, Error> {
    let _ = amount;
    Ok(id)
}

fn main() {
    drop(charge(1, 2.0));
}
