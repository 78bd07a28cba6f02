use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {
    drop(charge(1));
}
