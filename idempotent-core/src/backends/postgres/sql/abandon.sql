-- Marks a reservation whose owner no longer works on it. $1 id, $2 token, $3 record, $4 guarantee,
-- $5 whether its lease ends now, $6 channel.
UPDATE "idempotent"."records" AS r
SET record = $3,
    guarantee = $4,
    lapses_at = CASE WHEN $5 THEN least(r.lapses_at, clock_timestamp()) ELSE r.lapses_at END
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL AND r.journal IS NULL
RETURNING CASE WHEN r.awaited THEN pg_notify($6, 'd' || encode(r.id, 'hex')) IS NULL END
