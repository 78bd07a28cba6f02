use idempotent_core::{Error, idempotent};

#[idempotent(key = tenant, order, ttl = "1h")]
async fn charge(tenant: String, order: u32) -> Result<u32, Error> {
    drop(tenant);
    Ok(order)
}

fn main() {
    drop(charge(String::new(), 1));
}
