-- Ends a reservation that stands. $1 id, $2 token, $3 record, $4 ttl in microseconds, $5 whether it
-- also counts when its retention is over, $6 channel.
-- Answers a row if there was one to end. A notification costs every transaction that sends one, so
-- there is none while nobody waits.
UPDATE "idempotent"."records" AS r
SET record = $3,
    expires_at = clock_timestamp() + $4 * interval '1 microsecond',
    lapses_at = NULL,
    due_at = NULL,
    journal = NULL
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL
    AND ($5 OR r.lapses_at + r.retention > clock_timestamp())
RETURNING CASE WHEN r.awaited THEN pg_notify($6, 'd' || encode(r.id, 'hex')) IS NULL END
