use idempotent_core::{Error, idempotent};

#[idempotent(key = id, detach)]
async fn charge(id: &str) -> Result<u32, Error> {
    let _ = id;
    Ok(1)
}

fn main() {
    drop(charge("1"));
}
