use idempotent_core::idempotent;

trait Charge {
    #[idempotent(key = id, detach)]
    async fn charge(&self, id: u32);
}

struct Gate;

impl Charge for Gate {
    async fn charge(&self, id: u32) {
        drop(id);
    }
}

fn main() {
    drop(Gate.charge(1));
}
