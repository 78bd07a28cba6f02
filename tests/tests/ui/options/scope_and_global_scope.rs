use idempotent_core::{Error, idempotent};

#[idempotent(key = order, scope = tenant, global_scope)]
async fn charge(tenant: u64, order: u64) -> Result<String, Error> {
    Ok(format!("{tenant} {order}"))
}

fn main() {
    let _ = charge(1, 2);
}
