use idempotent_core::idempotent;

#[idempotent(key = 1)]
const LIMIT: u32 = 1;

fn main() {
    let _ = LIMIT;
}
