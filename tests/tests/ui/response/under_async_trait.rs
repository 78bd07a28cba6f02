use async_trait::async_trait;
use axum::http::StatusCode;
use idempotent_core::idempotent;

#[async_trait]
trait Shop {
    async fn order(&self, id: u32) -> Result<String, StatusCode>;
}

struct Counter;

#[async_trait]
impl Shop for Counter {
    #[idempotent(key = id, name = "shop.order", response)]
    async fn order(&self, id: u32) -> Result<String, StatusCode> {
        Ok(id.to_string())
    }
}

fn main() {
    drop(Counter.order(1));
}
