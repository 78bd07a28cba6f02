use idempotent_core::idempotent;

enum Refused {}

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<u32, Refused> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
