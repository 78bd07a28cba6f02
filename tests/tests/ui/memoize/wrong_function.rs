use idempotent_core::{Error, idempotent};

fn rule(_: &u32) -> bool {
    true
}

#[idempotent(key = id, memoize = rule)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
