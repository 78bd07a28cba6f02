use idempotent_core::{Error, idempotent};

struct Order {
    id: u32,
}

impl Order {
    #[idempotent(key = "order", name = "charge")]
    async fn charge(&self) -> Result<u32, Error> {
        Ok(self.id)
    }
}

fn main() {
    drop(Order { id: 1 }.charge());
}
