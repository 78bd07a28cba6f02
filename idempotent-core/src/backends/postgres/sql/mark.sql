-- What stands under an id, and a mark that somebody waits for the end of the reservation. $1 id,
-- $2 token.
-- Answers as load.sql does.
WITH marked AS (
    UPDATE "idempotent"."records" AS r
    SET awaited = true
    WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL AND NOT r.awaited
)
SELECT
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone
FROM "idempotent"."records" AS r
WHERE r.id = $1
