-- Replaces a completed record. $1 id, $2 the record that was seen, $3 record, $4 ttl in microseconds, $5 channel.
-- Answers whether the record is the new one now. Everybody is told in any case: somebody may keep a copy of the old
-- one.
WITH corrected AS (
    UPDATE "idempotent"."records" AS r
    SET record = $3, expires_at = clock_timestamp() + $4 * interval '1 microsecond'
    WHERE {autocommit} AND r.id = $1 AND r.record IN ($2, $3) AND r.expires_at > clock_timestamp()
    RETURNING true AS done
)
SELECT coalesce((SELECT done FROM corrected), false) AS done,
    pg_notify($5, 'p' || encode($1, 'hex')) IS NULL AS told
