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

/// The statements of calls in transactions, for the tables of one store.
#[derive(Debug)]
pub(in crate::backends::postgres) struct TransactionStatements {
    reserve: SqlStr,
    complete: SqlStr,
    release: SqlStr,
}

impl TransactionStatements {
    pub(in crate::backends::postgres) fn new(names: &TableNames) -> Self {
        Self {
            reserve: names.statement(RESERVE),
            complete: names.statement(COMPLETE),
            release: names.statement(RELEASE),
        }
    }

    pub(super) fn reserve(&self) -> SqlStr {
        self.reserve.clone()
    }

    pub(super) fn complete(&self) -> SqlStr {
        self.complete.clone()
    }

    pub(super) fn release(&self) -> SqlStr {
        self.release.clone()
    }
}
