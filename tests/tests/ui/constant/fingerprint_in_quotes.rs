use idempotent_core::{Error, idempotent};

#[idempotent(key = id, fingerprint = "{amount}:{card}")]
async fn charge(id: u32, amount: u32, card: String) -> Result<String, Error> {
    Ok(format!("{id} {amount} {card}"))
}

fn main() {
    drop(charge(1, 2, String::new()));
}
