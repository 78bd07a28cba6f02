use axum::http::StatusCode;
use idempotent_core::idempotent;

#[idempotent(key = id, response, on_error = disposition)]
async fn charge(id: u32) -> Result<String, StatusCode> {
    Ok(id.to_string())
}

fn main() {
    drop(charge(1));
}
