use std::rc::Rc;

use idempotent_core::{Error, idempotent};

#[idempotent(key = id, detach)]
async fn charge(id: Rc<u32>) -> Result<u32, Error> {
    Ok(*id)
}

fn main() {
    drop(charge(Rc::new(1)));
}
