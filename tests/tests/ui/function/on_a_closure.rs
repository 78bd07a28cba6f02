use idempotent_core::{Error, idempotent};

fn main() {
    let charge = #[idempotent(key = id)] async |id: u32| -> Result<u32, Error> { Ok(id) };
    drop(charge(1));
}
