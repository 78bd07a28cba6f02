use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
fn charge(id: u32) -> impl Future<Output = Result<u32, Error>> {
    async move { Ok(id) }
}

fn main() {
    drop(charge(1));
}
