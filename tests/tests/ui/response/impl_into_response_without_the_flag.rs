use axum::response::IntoResponse;
use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) -> impl IntoResponse {
    id.to_string()
}

fn main() {
    drop(charge(1));
}
