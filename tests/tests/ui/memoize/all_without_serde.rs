use idempotent_core::{Error, idempotent};

enum Refused {
    Idempotency,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self::Idempotency
    }
}

#[idempotent(key = id, memoize = all)]
async fn charge(id: u32) -> Result<u32, Refused> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
