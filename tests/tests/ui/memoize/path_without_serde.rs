use idempotent_core::{Disposition, Error, idempotent};

enum Refused {
    Idempotency,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self::Idempotency
    }
}

fn rule(_: &Result<u32, Refused>) -> Disposition {
    Disposition::Keep
}

#[idempotent(key = id, memoize = rule)]
async fn charge(id: u32) -> Result<u32, Refused> {
    Ok(id)
}

fn main() {
    drop(charge(1));
}
