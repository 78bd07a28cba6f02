//! The statements of the outbox, under the default names and under a store's.

use std::sync::Arc;

use sqlx::SqlStr;

use crate::store::postgres::Names;

/// Publishing, under the default names: see the function in `migrations/postgres`.
pub(super) const PUBLISH: &str =
    r#"SELECT "idempotent"."records_publish"($1::uuid, $2, $3, $4, $5, $6)"#;

/// Steps from key to key, from one after $1 on, at most $2 of them, and takes the keys whose first
/// message is due and which no other relay has. What a key holds is read by [`TAKE`], a later
/// statement: this one does not see what the relay that had the key before has done with it.
const SWEEP: &str = r#"
WITH RECURSIVE head AS (
    (SELECT key, due_at FROM "idempotent"."records_outbox"
     WHERE parked_at IS NULL AND key > $1 ORDER BY key, number LIMIT 1)
    UNION ALL
    SELECT next.key, next.due_at FROM head CROSS JOIN LATERAL (
        SELECT key, due_at FROM "idempotent"."records_outbox" AS other
        WHERE other.parked_at IS NULL AND other.key > head.key
        ORDER BY other.key, other.number LIMIT 1
    ) AS next
), seen AS MATERIALIZED (SELECT key, due_at FROM head LIMIT $2)
SELECT key, CASE WHEN due_at <= clock_timestamp() THEN pg_try_advisory_xact_lock(hashtextextended(
    key, -('"idempotent"."records_outbox"'::regclass::oid::bigint)
)) ELSE false END
FROM seen ORDER BY key"#;

/// The first $2 messages of each key in $1.
const TAKE: &str = r#"
SELECT message.number, message.id::text, message.topic, message.key, message.payload,
    message.header_names, message.header_values,
    (extract(epoch FROM message.published_at) * 1000000)::bigint,
    message.attempts, message.refusals, message.due_at <= clock_timestamp()
FROM unnest($1::text[]) AS taken (key) CROSS JOIN LATERAL (
    SELECT * FROM "idempotent"."records_outbox" AS waiting
    WHERE waiting.parked_at IS NULL AND waiting.key = taken.key
    ORDER BY waiting.number LIMIT $2
) AS message
ORDER BY message.number"#;

/// Forgets what was delivered, and says how long it took since it was published.
const FORGET: &str = r#"
DELETE FROM "idempotent"."records_outbox" WHERE number = ANY ($1::bigint[])
RETURNING extract(epoch FROM clock_timestamp() - published_at)::float8"#;

/// Writes down failed attempts.
const FAIL: &str = r#"
UPDATE "idempotent"."records_outbox" AS message
SET attempts = least(message.attempts, 2147483646) + 1,
    refusals = least(message.refusals, 2147483646) + failed.refused::int,
    due_at = clock_timestamp() + make_interval(secs => failed.pause),
    error = failed.error,
    parked_at = CASE WHEN failed.parked THEN clock_timestamp() END
FROM unnest($1::bigint[], $2::boolean[], $3::boolean[], $4::float8[], $5::text[])
    AS failed (number, refused, parked, pause, error)
WHERE message.number = failed.number"#;

/// A page of the parked.
const PARKED: &str = r#"
SELECT number, id::text, topic, key, payload, header_names, header_values,
    (extract(epoch FROM published_at) * 1000000)::bigint,
    attempts, refusals, (extract(epoch FROM parked_at) * 1000000)::bigint, coalesce(error, '')
FROM "idempotent"."records_outbox"
WHERE parked_at IS NOT NULL AND number > $1 ORDER BY number LIMIT $2"#;

/// A parked message waits again, where it was. Its refusals are forgotten.
const RETRY: &str = r#"
UPDATE "idempotent"."records_outbox"
SET parked_at = NULL, attempts = 0, refusals = 0, due_at = '-infinity', error = NULL
WHERE parked_at IS NOT NULL AND number = $1 AND id = $2::uuid"#;

/// A parked message is given up.
const DISCARD: &str = r#"
DELETE FROM "idempotent"."records_outbox"
WHERE parked_at IS NOT NULL AND number = $1 AND id = $2::uuid"#;

/// How much waits, for how long, and how much is parked.
const BACKLOG: &str = r#"
SELECT count(*) FILTER (WHERE parked_at IS NULL), count(*) FILTER (WHERE parked_at IS NOT NULL),
    extract(epoch FROM clock_timestamp() - min(published_at) FILTER (WHERE parked_at IS NULL))::float8
FROM "idempotent"."records_outbox""#;

/// The statements under one store's names.
#[derive(Clone)]
pub(super) struct Statements(Arc<Texts>);

struct Texts {
    publish: SqlStr,
    sweep: SqlStr,
    take: SqlStr,
    forget: SqlStr,
    fail: SqlStr,
    parked: SqlStr,
    retry: SqlStr,
    discard: SqlStr,
    backlog: SqlStr,
}

macro_rules! statements {
    ($($name:ident: $text:ident,)*) => {
        impl Statements {
            pub(super) fn new(names: &Names) -> Self {
                Self(Arc::new(Texts { $($name: names.statement($text),)* }))
            }

            $(pub(super) fn $name(&self) -> SqlStr {
                self.0.$name.clone()
            })*
        }
    };
}

statements! {
    publish: PUBLISH,
    sweep: SWEEP,
    take: TAKE,
    forget: FORGET,
    fail: FAIL,
    parked: PARKED,
    retry: RETRY,
    discard: DISCARD,
    backlog: BACKLOG,
}
