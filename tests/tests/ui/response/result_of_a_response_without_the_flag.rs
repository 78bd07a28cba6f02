use axum::response::IntoResponse;
use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<impl IntoResponse, Error> {
    Ok(id.to_string())
}

fn main() {
    drop(charge(1));
}
