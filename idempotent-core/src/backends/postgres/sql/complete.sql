-- Ends a reservation that stands, also when its retention is over. $1 id, $2 token, $3 record, $4 ttl, $5 channel.
-- Answers a row if there was one to end. A notification costs every transaction that sends one, so
-- there is none while nobody waits.
UPDATE "idempotent"."records" AS r
SET record = $3,
    expires_at = clock_timestamp() + $4,
    lapses_at = NULL,
    due_at = NULL,
    journal = NULL
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL
RETURNING CASE WHEN r.awaited THEN pg_notify($5, 'd' || encode(r.id, 'hex')) IS NULL END
