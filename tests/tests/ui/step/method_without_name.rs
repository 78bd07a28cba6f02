use idempotent_core::{Error, idempotent};

struct Shop;

impl Shop {
    #[idempotent(step)]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

fn main() {
    drop(Shop.charge(1));
}
