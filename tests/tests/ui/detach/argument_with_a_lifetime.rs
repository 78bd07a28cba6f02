use idempotent_core::{Error, idempotent};

#[idempotent(key = id, detach)]
async fn charge(id: u32, note: std::borrow::Cow<'_, str>) -> Result<u32, Error> {
    let _ = note;
    Ok(id)
}

fn main() {
    drop(charge(1, "note".into()));
}
