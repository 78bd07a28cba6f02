use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<u32, Error> {
    let paid: Result<String, Error> = Ok(id.to_string());
    paid
}

fn main() {
    drop(charge(1));
}
