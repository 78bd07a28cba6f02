use idempotent_core::{Error, idempotent};

#[idempotent(key = id)]
async fn charge(id: &str) -> Result<Vec<(u32, &str)>, Error> {
    Ok(vec![(1, id)])
}

fn main() {
    drop(charge("1"));
}
