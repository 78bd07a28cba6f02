use axum::response::{IntoResponse, Response};
use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) -> Response {
    id.to_string().into_response()
}

fn main() {
    drop(charge(1));
}
