use idempotent_core::{Error, idempotent};

fn main() {
    #[idempotent(key = id)]
    let charge = async |id: u32| -> Result<u32, Error> { Ok(id) };
    drop(charge(1));
}
