use idempotent_core::{Error, idempotent};

struct Tx;

#[idempotent(key = id, resume = id, tx = tx, guarantee = exactly_once)]
async fn charge(tx: &mut Tx, id: u32) -> Result<u32, Error> {
    let _ = tx;
    Ok(id)
}

fn main() {
    drop(charge(&mut Tx, 1));
}
