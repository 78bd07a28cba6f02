use idempotent_core::{Error, idempotent};

#[idempotent(key = amount)]
async fn charge(amount: f64) -> Result<(), Error> {
    let _ = amount;
    Ok(())
}

fn main() {
    drop(charge(1.0));
}
