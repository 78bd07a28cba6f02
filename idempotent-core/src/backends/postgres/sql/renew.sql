-- Starts a lease anew. $1 id, $2 token, $3 lease in microseconds.
-- Answers a row if there was one to renew.
UPDATE "idempotent"."records" AS r
SET lapses_at = clock_timestamp() + $3 * interval '1 microsecond'
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL AND r.lapses_at > clock_timestamp()
RETURNING true
