use idempotent_core::idempotent;

#[idempotent(key = id)]
struct Charge {
    id: u32,
}

fn main() {
    let Charge { id: _ } = Charge { id: 1 };
}
