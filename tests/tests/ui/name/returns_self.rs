use idempotent_core::{Error, idempotent};

struct Gate;

impl Gate {
    #[idempotent(key = id)]
    async fn open(id: u32) -> Result<Self, Error> {
        let _ = id;
        Ok(Self)
    }
}

fn main() {
    drop(Gate::open(1));
}
