use idempotent_core::{Error, idempotent};

#[idempotent(key = "order:{id}:{uuid::Uuid::now_v7()}")]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
