-- As complete.sql, unless the retention of the reservation is over. Calls that complete their own never ask, and the
-- comparison would cost each of them.
UPDATE "idempotent"."records" AS r
SET record = $3,
    expires_at = clock_timestamp() + $4,
    lapses_at = NULL,
    due_at = NULL,
    journal = NULL
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL
    AND r.lapses_at + r.retention > clock_timestamp()
RETURNING CASE WHEN r.awaited THEN pg_notify($5, 'd' || encode(r.id, 'hex')) IS NULL END
