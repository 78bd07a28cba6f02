use axum::http::StatusCode;
use idempotent_core::idempotent;

#[idempotent(key = id, response, memoize = all)]
async fn charge(id: u32) -> Result<String, StatusCode> {
    Ok(id.to_string())
}

fn main() {
    drop(charge(1));
}
