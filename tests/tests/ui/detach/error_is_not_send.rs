use idempotent_core::idempotent;

#[idempotent(key = id, detach)]
async fn charge(id: u32) -> Result<u32, Box<dyn std::error::Error>> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
