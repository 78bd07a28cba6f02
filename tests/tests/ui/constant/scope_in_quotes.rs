use idempotent_core::{Error, idempotent};

#[idempotent(key = id, scope = "tenant")]
async fn charge(tenant: u32, id: u32) -> Result<u32, Error> {
    Ok(tenant + id)
}

fn main() {
    drop(charge(1, 2));
}
