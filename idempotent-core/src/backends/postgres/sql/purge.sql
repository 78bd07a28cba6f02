-- Removes whatever stands under an id. $1 id, $2 channel.
-- Answers whether there was something. Everybody is told in any case: somebody may keep a copy of what
-- is gone.
WITH purged AS (
    DELETE FROM "idempotent"."records" AS r
    WHERE {autocommit} AND r.id = $1
    RETURNING coalesce(r.expires_at, r.lapses_at + r.retention) > clock_timestamp() AS stood
)
SELECT coalesce((SELECT stood FROM purged), false) AS stood,
    pg_notify($2, 'p' || encode($1, 'hex')) IS NULL AS told
