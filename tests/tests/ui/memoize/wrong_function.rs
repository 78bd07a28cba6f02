use idempotent_core::{Error, idempotent};

#[derive(serde::Serialize, serde::Deserialize)]
enum Refused {
    Idempotency,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self::Idempotency
    }
}

fn rule(_: &u32) -> bool {
    true
}

#[idempotent(key = id, memoize = rule)]
async fn charge(id: u32) -> Result<u32, Refused> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
