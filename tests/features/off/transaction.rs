//! A transaction is taken only with the feature of its database.
//@ an idempotent call cannot run in `Transaction`
//@ with feature `postgres`, pass a
//@ the feature `postgres` of `idempotent-core` is off: add `features = ["postgres"]`
//@ the feature `sqlite` of `idempotent-core` is off: add `features = ["sqlite"]`

use idempotent_core::{Error, idempotent};

/// Stands for the one of `sqlx`.
pub struct Transaction;

#[idempotent(key = id, tx = tx, guarantee = exactly_once)]
async fn charge(tx: &mut Transaction, id: u32) -> Result<u32, Error> {
    let _ = tx;
    Ok(id)
}

fn main() {
    drop(charge(&mut Transaction, 1));
}
