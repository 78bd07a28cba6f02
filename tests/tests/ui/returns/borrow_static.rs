use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<&'static str, Error> {
    let _ = id;
    Ok("paid")
}

fn main() {
    drop(charge(1));
}
