use std::rc::Rc;

use idempotent_core::idempotent;

#[idempotent(key = id, detach, response)]
async fn charge(id: u32) -> String {
    let shared = Rc::new(id);
    std::future::ready(()).await;
    shared.to_string()
}

fn main() {
    drop(charge(1));
}
