use idempotent_core::{Error, idempotent};

#[idempotent(key = id, tll = "1h")]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(pay(id))
}

fn main() {
    drop(charge(1));
}
