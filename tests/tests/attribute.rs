//! What an annotated function does, for every option and every kind of function.

use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id + 1)
}

#[tokio::test]
async fn works() {
    assert_eq!(charge(1).await.unwrap(), 2);
    assert_eq!(charge(1).await.unwrap(), 2);
}
