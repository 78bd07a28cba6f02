use idempotent_core::{Error, idempotent};

#[idempotent(key = "nightly")]
async fn settle() -> Result<u32, Error> {
    Ok(1)
}

fn main() {
    drop(settle());
}
