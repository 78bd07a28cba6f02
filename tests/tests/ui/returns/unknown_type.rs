use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<Receipt, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
