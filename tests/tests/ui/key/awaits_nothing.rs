use idempotent_core::{Error, idempotent};

async fn find(id: u32) -> u32 {
    id
}

#[idempotent(key = find(id))]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
