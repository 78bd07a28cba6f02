use idempotent_core::idempotent;

#[idempotent(key = id, memoize = all)]
async fn charge(id: u32) -> anyhow::Result<u32> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
