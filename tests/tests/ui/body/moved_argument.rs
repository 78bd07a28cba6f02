use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: String) -> Result<String, Error> {
    drop(id);
    Ok(id)
}

fn main() {
    drop(charge(String::new()));
}
