use axum::extract::Path;
use idempotent_core::{Error, idempotent};

#[idempotent(key = order)]
async fn charge(order: Path<u32>) -> Result<u32, Error> {
    Ok(order.0)
}

fn main() {
    drop(charge(Path(1)));
}
