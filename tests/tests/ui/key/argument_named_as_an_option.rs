use idempotent_core::{Error, idempotent};

#[idempotent(key = tenant, name)]
async fn charge(tenant: String, name: u32) -> Result<u32, Error> {
    drop(tenant);
    Ok(name)
}

fn main() {
    drop(charge(String::new(), 1));
}
