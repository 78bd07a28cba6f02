use idempotent_core::{Error, idempotent};

pub struct Shop {
    tenant: u32,
}

impl Shop {
    #[idempotent(key = id, self.tenant, name = "shop.charge")]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(self.tenant + id)
    }
}

fn main() {
    drop(Shop { tenant: 1 }.charge(1));
}
