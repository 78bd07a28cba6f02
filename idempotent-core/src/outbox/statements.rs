//! The statements of the outbox, with the default names and with those of a store.

use std::sync::Arc;

use sqlx::SqlStr;

use crate::backends::postgres::{Connections, TableNames};

/// Publishes a message, with the default names: see the function in `migrations/postgres`.
pub(super) const PUBLISH: &str =
    r#"SELECT "idempotent"."records_publish"($1::uuid, $2, $3, $4, $5, $6)"#;

/// Steps through at most $2 keys after key $1, and locks those whose first message is due and which no other
/// relay has. [`READ_MESSAGES`] reads their messages in a later statement, because this one does not see what
/// the previous relay has done with the key.
const LOCK_KEYS: &str = r#"
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
const READ_MESSAGES: &str = r#"
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

/// Deletes delivered messages, and returns how long ago each was published.
const DELETE_DELIVERED: &str = r#"
DELETE FROM "idempotent"."records_outbox" WHERE number = ANY ($1::bigint[])
RETURNING extract(epoch FROM clock_timestamp() - published_at)::float8"#;

/// Records failed attempts.
const RECORD_FAILURES: &str = r#"
UPDATE "idempotent"."records_outbox" AS message
SET attempts = least(message.attempts, 2147483646) + 1,
    refusals = least(message.refusals, 2147483646) + failed.refused::int,
    due_at = clock_timestamp() + make_interval(secs => failed.pause),
    error = failed.error,
    parked_at = CASE WHEN failed.parked THEN clock_timestamp() END
FROM unnest($1::bigint[], $2::boolean[], $3::boolean[], $4::float8[], $5::text[])
    AS failed (number, refused, parked, pause, error)
WHERE message.number = failed.number"#;

/// A page of parked messages.
const PARKED: &str = r#"
SELECT number, id::text, topic, key, payload, header_names, header_values,
    (extract(epoch FROM published_at) * 1000000)::bigint,
    attempts, refusals, (extract(epoch FROM parked_at) * 1000000)::bigint, coalesce(error, '')
FROM "idempotent"."records_outbox"
WHERE {autocommit} AND parked_at IS NOT NULL AND number > $1 ORDER BY number LIMIT $2"#;

/// Makes a parked message pending again, in its old place and without its refusals.
const RETRY: &str = r#"
UPDATE "idempotent"."records_outbox"
SET parked_at = NULL, attempts = 0, refusals = 0, due_at = '-infinity', error = NULL
WHERE {autocommit} AND parked_at IS NOT NULL AND number = $1 AND id = $2::uuid
RETURNING true"#;

/// Deletes a parked message.
const DISCARD: &str = r#"
DELETE FROM "idempotent"."records_outbox"
WHERE {autocommit} AND parked_at IS NOT NULL AND number = $1 AND id = $2::uuid
RETURNING true"#;

/// How many messages are pending and for how long, and how many are parked.
const BACKLOG: &str = r#"
SELECT count(*) FILTER (WHERE parked_at IS NULL), count(*) FILTER (WHERE parked_at IS NOT NULL),
    extract(epoch FROM clock_timestamp() - min(published_at) FILTER (WHERE parked_at IS NULL))::float8
FROM "idempotent"."records_outbox"
WHERE {autocommit}"#;

/// The statements with one store's names.
#[derive(Clone)]
pub(super) struct Statements(Arc<Texts>);

struct Texts {
    publish: SqlStr,
    lock_keys: SqlStr,
    read_messages: SqlStr,
    delete_delivered: SqlStr,
    record_failures: SqlStr,
    parked: SqlStr,
    retry: SqlStr,
    discard: SqlStr,
    backlog: SqlStr,
}

macro_rules! statements {
    ($($name:ident: $text:ident,)*) => {
        impl Statements {
            pub(super) fn new(names: &TableNames) -> Self {
                let of = |sql| names.statement_for(Connections::Shared, sql);
                Self(Arc::new(Texts { $($name: of($text),)* }))
            }

            $(pub(super) fn $name(&self) -> SqlStr {
                self.0.$name.clone()
            })*
        }
    };
}

statements! {
    publish: PUBLISH,
    lock_keys: LOCK_KEYS,
    read_messages: READ_MESSAGES,
    delete_delivered: DELETE_DELIVERED,
    record_failures: RECORD_FAILURES,
    parked: PARKED,
    retry: RETRY,
    discard: DISCARD,
    backlog: BACKLOG,
}
