//! The same transaction by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::{BYTES, CONCURRENCY, Failure, book};

const RESERVE: &str = "INSERT INTO inbox_with_results (id, expires_at, fingerprint)
    VALUES ($1, clock_timestamp() + interval '1 day', $2) ON CONFLICT (id) DO NOTHING";
const COMPLETE: &str = "UPDATE inbox_with_results
    SET result = $2, expires_at = clock_timestamp() + interval '1 day' WHERE id = $1";
const ONLY_THE_ID: &str = "INSERT INTO inbox (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";

/// Handles each of them once.
pub(crate) async fn handle(
    pool: &PgPool,
    ids: Vec<String>,
    keeps_results: bool,
) -> Result<(), Failure> {
    let (ids, next) = (Arc::new(ids), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (pool, ids, next) = (pool.clone(), Arc::clone(&ids), Arc::clone(&next));
        tasks.spawn(async move {
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                match keeps_results {
                    true => with_result(&pool, id).await?,
                    false => only_the_id(&pool, id).await?,
                }
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    for ended in tasks.join_all().await {
        ended?;
    }
    Ok(())
}

async fn with_result(pool: &PgPool, id: &str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let reserve = sqlx::query(RESERVE).bind(id).bind(&[7_u8; 32][..]);
    if reserve.execute(&mut *tx).await?.rows_affected() == 1 {
        book(&mut tx, BYTES).await?;
        sqlx::query(COMPLETE).bind(id).bind(&[0xc0_u8][..]).execute(&mut *tx).await?;
    }
    tx.commit().await
}

async fn only_the_id(pool: &PgPool, id: &str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    if sqlx::query(ONLY_THE_ID).bind(id).execute(&mut *tx).await?.rows_affected() == 1 {
        book(&mut tx, BYTES).await?;
    }
    tx.commit().await
}
