use idempotent_core::{Error, idempotent};

#[idempotent(key = id, detach)]
async fn charge(id: u32) -> Result<u32, Error> {
    let shared = std::rc::Rc::new(id);
    std::future::ready(()).await;
    Ok(*shared)
}

fn main() {
    drop(charge(1));
}
