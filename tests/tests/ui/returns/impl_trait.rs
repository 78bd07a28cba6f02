use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) -> impl std::fmt::Display {
    id
}

fn main() {
    drop(charge(1));
}
