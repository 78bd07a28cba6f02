use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
fn charge(id: u32) -> Result<u32, Error> {
    tokio::runtime::Handle::current().block_on(async move { Ok(id) })
}

fn main() {
    drop(charge(1));
}
