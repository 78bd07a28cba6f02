use idempotent_core::{Error, idempotent};

struct Tx;

#[idempotent(key = id, tx = transactoin, guarantee = exactly_once)]
async fn charge(transaction: &mut Tx, id: u32) -> Result<u32, Error> {
    let _ = transaction;
    Ok(id)
}

fn main() {
    drop(charge(&mut Tx, 1));
}
