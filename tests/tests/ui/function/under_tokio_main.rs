use idempotent_core::{Error, idempotent};

#[tokio::main]
#[idempotent(key = "nightly", singleton)]
async fn main() -> Result<(), Error> {
    Ok(())
}
