//! The statements of calls in transactions, with the names of one store's tables.

use sqlx::SqlStr;

use crate::backends::postgres::table_names::TableNames;

/// A replay only selects the result. The function and its lock are left for when there is none.
const RESERVE: &str = r#"SELECT
    coalesce(
        (
            SELECT ROW(
                4::smallint,
                r.record,
                (extract(epoch FROM r.expires_at - clock_timestamp()) * 1000000)::bigint
            )
            FROM "idempotent"."records" AS r
            WHERE r.id = $1 AND r.expires_at > clock_timestamp()
        ),
        "idempotent"."records_reserve"(
            $1, $2, $3, $4, $5,
            -- Each table has locks of its own.
            $6 # ('"idempotent"."records"'::regclass::oid::bigint << 32),
            $7
        )
    ) AS answer,
    current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') AS snapshot"#;

const COMPLETE: &str = r#"UPDATE "idempotent"."records"
SET lapses_at = NULL, expires_at = clock_timestamp() + $4, record = $3, xact = NULL,
    scope = coalesce($5, scope)
WHERE id = $1 AND token = $2 AND expires_at IS NULL AND xact = pg_current_xact_id()"#;

const RELEASE: &str = r#"DELETE FROM "idempotent"."records"
WHERE id = $1 AND token = $2 AND expires_at IS NULL AND xact = pg_current_xact_id()"#;

/// Reserves an id at which nothing stands and nobody else is. All else is left to [`RESERVE`].
#[cfg(feature = "consumer")]
const RESERVE_VACANT: &str = r#"INSERT INTO "idempotent"."records"
    (lapses_at, retention, guarantee, id, token, operation, record, xact)
SELECT clock_timestamp(), $5, 2, $1, $2, $3, $4, pg_current_xact_id()
-- Each table has locks of its own.
WHERE pg_try_advisory_xact_lock($6 # ('"idempotent"."records"'::regclass::oid::bigint << 32))
ON CONFLICT (id) DO NOTHING
RETURNING
    current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') AS snapshot"#;

/// Which of these ids are vacant, with their locks taken. Each is looked up by itself, so that no plan reads the table.
#[cfg(feature = "consumer")]
const BEGIN_GROUP: &str = r#"WITH guard AS (
    INSERT INTO "idempotent"."records"
        (lapses_at, retention, guarantee, id, token, operation, record, xact)
    VALUES (clock_timestamp(), '0'::interval, 2, $3, $3, $4, '', pg_current_xact_id())
)
SELECT a.id,
    current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') AS snapshot
FROM unnest($1::bytea[], $2::bigint[]) AS a(id, lock)
WHERE (SELECT r.id FROM "idempotent"."records" AS r WHERE r.id = a.id) IS NULL
    -- Each table has locks of its own.
    AND pg_try_advisory_xact_lock(a.lock # ('"idempotent"."records"'::regclass::oid::bigint << 32))"#;

/// Counts the guard if this transaction has it, and the results that were inserted, outside of all savepoints.
#[cfg(feature = "consumer")]
const END_GROUP: &str = r#"WITH guard AS (
    DELETE FROM "idempotent"."records" WHERE id = $1 AND xact = pg_current_xact_id() RETURNING id
), written AS (
    INSERT INTO "idempotent"."records"
        (expires_at, retention, guarantee, id, token, operation, record, scope)
    SELECT clock_timestamp() + c.ttl, c.retention, 2, c.id, c.token, c.operation, c.record, c.scope
    FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::bytea[], $6::interval[], $7::interval[], $8::bytea[])
        AS c(id, token, operation, record, ttl, retention, scope)
    ORDER BY c.id
    ON CONFLICT (id) DO NOTHING
    RETURNING xmin = pg_current_xact_id()::xid AS outermost
)
SELECT (SELECT count(*) FROM guard) AS guards,
    (SELECT count(*) FROM written WHERE outermost) AS written"#;

/// What ends [`COMPLETE`] to tell whether it ran outside of all savepoints.
#[cfg(feature = "consumer")]
const OUTERMOST: &str = "\nRETURNING xmin = pg_current_xact_id()::xid AS outermost";

/// The statements of calls in transactions, for the tables of one store.
#[derive(Debug)]
pub(in crate::backends::postgres) struct TransactionStatements {
    reserve: SqlStr,
    complete: SqlStr,
    release: SqlStr,
    #[cfg(feature = "consumer")]
    reserve_vacant: SqlStr,
    #[cfg(feature = "consumer")]
    complete_last: SqlStr,
    #[cfg(feature = "consumer")]
    begin_group: SqlStr,
    #[cfg(feature = "consumer")]
    end_group: SqlStr,
}

impl TransactionStatements {
    pub(in crate::backends::postgres) fn new(names: &TableNames) -> Self {
        Self {
            reserve: names.statement(RESERVE),
            complete: names.statement(COMPLETE),
            release: names.statement(RELEASE),
            #[cfg(feature = "consumer")]
            reserve_vacant: names.statement(RESERVE_VACANT),
            #[cfg(feature = "consumer")]
            complete_last: names.statement(&format!("{COMPLETE}{OUTERMOST}")),
            #[cfg(feature = "consumer")]
            begin_group: names.statement(BEGIN_GROUP),
            #[cfg(feature = "consumer")]
            end_group: names.statement(END_GROUP),
        }
    }

    pub(super) fn reserve(&self) -> SqlStr {
        self.reserve.clone()
    }

    pub(super) fn complete(&self) -> SqlStr {
        self.complete.clone()
    }

    #[cfg(feature = "consumer")]
    pub(super) fn reserve_vacant(&self) -> SqlStr {
        self.reserve_vacant.clone()
    }

    #[cfg(feature = "consumer")]
    pub(super) fn complete_last(&self) -> SqlStr {
        self.complete_last.clone()
    }

    #[cfg(feature = "consumer")]
    pub(super) fn begin_group(&self) -> SqlStr {
        self.begin_group.clone()
    }

    #[cfg(feature = "consumer")]
    pub(super) fn end_group(&self) -> SqlStr {
        self.end_group.clone()
    }

    pub(super) fn release(&self) -> SqlStr {
        self.release.clone()
    }
}
