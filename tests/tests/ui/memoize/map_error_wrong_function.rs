use idempotent_core::{Error, idempotent};

fn map(_: u32) -> Error {
    loop {}
}

#[idempotent(key = id, map_error = map)]
async fn charge(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
