use idempotent_core::{Error, idempotent};

#[idempotent(step, key = "line")]
async fn ship(line: u32) -> Result<u32, Error> {
    Ok(line)
}

#[idempotent(step, key = "stock")]
async fn hold() -> Result<u32, Error> {
    Ok(1)
}

fn main() {
    drop((ship(1), hold()));
}
