use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32, with: impl Sized) -> Result<u32, Error> {
    drop(with);
    Ok(id)
}

fn main() {
    drop(charge(1, ()));
}
