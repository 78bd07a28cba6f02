use idempotent_core::idempotent;

#[idempotent(key = id)]
async fn charge(id: u32) {
    let _ = id;
}

fn main() {
    drop(charge(1));
}
