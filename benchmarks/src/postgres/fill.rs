//! Rows that are there before anything is measured, made by the server itself.

use sqlx::{AssertSqlSafe, PgPool};

const AT_ONCE: u64 = 100_000;

/// Keys are spread over the whole index, as those are that calls are measured with.
const PLAIN: &str = "INSERT INTO plain (key, token, result, expires_at)
    SELECT 'order-' || lpad(abs(hashint8extended(n, 0))::text, 26, '0'),
        decode(md5(n::text), 'hex'), repeat('x', 200)::bytea, now() + '1 day'
    FROM generate_series($1::bigint, $2) AS n";

const OURS: &str = "INSERT INTO idempotent.records
        (expires_at, retention, guarantee, id, token, operation, record)
    SELECT now() + '1 day', '30 days', 0, sha256(n::text::bytea), decode(md5(n::text), 'hex'),
        'shop::charge', repeat('x', 300)::bytea
    FROM generate_series($1::bigint, $2) AS n";

const EXPIRED: &str = "INSERT INTO idempotent.records
        (expires_at, retention, guarantee, id, token, operation, record)
    SELECT now() - interval '1 day', '30 days', 0, sha256(random()::text::bytea),
        decode(md5(n::text), 'hex'), 'shop::charge', repeat('x', 300)::bytea
    FROM generate_series(1, $1::bigint) AS n";

/// Adds the results of calls from one number to another to each table.
pub(crate) async fn fill(pool: &PgPool, from: u64, to: u64) -> sqlx::Result<()> {
    for statement in [PLAIN, OURS] {
        for first in (from..to).step_by(AT_ONCE as usize) {
            let last = to.min(first + AT_ONCE);
            let insert = sqlx::query(statement).bind(first as i64 + 1).bind(last as i64);
            insert.execute(pool).await?;
        }
    }
    settle(pool).await
}

/// Adds results whose time is over.
pub(crate) async fn expired(pool: &PgPool, rows: u64) -> sqlx::Result<()> {
    sqlx::query(EXPIRED).bind(rows as i64).execute(pool).await.map(drop)
}

/// Leaves nothing to do for later that another measurement would pay.
pub(crate) async fn settle(pool: &PgPool) -> sqlx::Result<()> {
    for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    }
    Ok(())
}
