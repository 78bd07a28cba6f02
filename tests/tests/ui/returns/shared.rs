use std::rc::Rc;

use idempotent_core::{Error, idempotent};
use serde::{Deserialize, Serialize};

#[derive(PartialEq, Serialize, Deserialize)]
struct Receipt {
    id: u32,
}

#[idempotent(key = id)]
async fn charge(id: u32) -> Result<Rc<Receipt>, Error> {
    Ok(Rc::new(Receipt { id }))
}

fn main() {
    drop(charge(1));
}
