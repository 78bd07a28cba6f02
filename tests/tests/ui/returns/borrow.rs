use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: &str) -> Result<&str, Error> {
    Ok(id)
}

fn main() {
    drop(charge("1"));
}
