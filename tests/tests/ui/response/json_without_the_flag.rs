use axum::Json;
use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<Json<u32>, Error> {
    Ok(Json(id))
}

fn main() {
    drop(charge(1));
}
