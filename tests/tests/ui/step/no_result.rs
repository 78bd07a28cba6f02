use idempotent_core::idempotent;

#[idempotent(step)]
async fn charge(id: u32) -> u32 {
    id
}

fn main() {
    drop(charge(1));
}
