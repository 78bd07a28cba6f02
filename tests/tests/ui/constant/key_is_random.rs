use idempotent_core::{Error, idempotent};

#[idempotent(key = uuid::Uuid::new_v4().to_string())]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
