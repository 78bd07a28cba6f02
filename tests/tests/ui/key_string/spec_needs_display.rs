use idempotent_core::{Error, idempotent};

#[idempotent(key = "order:{nothing:>4}")]
async fn charge(nothing: ()) -> Result<(), Error> {
    Ok(nothing)
}

fn main() {
    drop(charge(()));
}
