use idempotent_core::{Error, idempotent};
use sqlx::PgPool;

#[idempotent(key = id, tx = pool, guarantee = exactly_once)]
async fn charge(pool: &mut PgPool, id: u32) -> Result<u32, Error> {
    let _ = pool;
    Ok(id)
}

fn main() {}
