use idempotent_core::{Error, idempotent};

#[idempotent(key = N)]
async fn charge<const N: u32>() -> Result<u32, Error> {
    Ok(N)
}

fn main() {
    drop(charge::<1>());
}
