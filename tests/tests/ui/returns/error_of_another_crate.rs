use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<u32, String> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
