use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge<T>(id: u32, with: T) -> Result<u32, Error> {
    drop(with);
    Ok(id)
}

fn main() {
    drop(charge(1, ()));
}
