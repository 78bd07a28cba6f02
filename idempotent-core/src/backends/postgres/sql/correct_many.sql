-- Replaces completed records. $1 ids, $2 the records that were seen, $3 records, $4 ttls in microseconds, $5 channel.
-- Answers with a row for each id that it could lock at once: whether the record is the new one now. Of these everybody
-- is told: somebody may keep a copy of the old one. That a record is still the one that was seen is a condition of the
-- update, which looks at the newest version of a row.
WITH wanted AS MATERIALIZED (
    SELECT w.id, w.seen, w.record, w.ttl
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[]) AS w (id, seen, record, ttl)
), locked AS MATERIALIZED (
    SELECT r.id FROM "idempotent"."records" AS r
    WHERE {autocommit} AND r.id = ANY ($1)
    ORDER BY r.id
    FOR NO KEY UPDATE SKIP LOCKED
), corrected AS (
    UPDATE "idempotent"."records" AS r
    SET record = w.record, expires_at = clock_timestamp() + w.ttl * interval '1 microsecond'
    FROM wanted AS w, locked AS l
    WHERE w.id = l.id AND r.id = l.id AND r.record IN (w.seen, w.record) AND r.expires_at > clock_timestamp()
    RETURNING r.id
)
SELECT l.id, c.id IS NOT NULL AS done, pg_notify($5, 'p' || encode(l.id, 'hex')) IS NULL AS told
FROM locked AS l LEFT JOIN corrected AS c ON c.id = l.id
