use idempotent_core::{Error, idempotent};

struct Receipt {
    id: u32,
}

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<Receipt, Error> {
    Ok(Receipt { id })
}

fn main() {
    drop(charge(1));
}
