use idempotent_core::{Error, idempotent};

#[derive(serde::Serialize)]
struct Receipt {
    id: u32,
}

#[idempotent(key = id, response)]
async fn charge(id: u32) -> Result<Receipt, Error> {
    Ok(Receipt { id })
}

fn main() {
    drop(charge(1));
}
