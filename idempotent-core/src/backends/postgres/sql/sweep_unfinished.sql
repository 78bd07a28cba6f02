-- Removes reservations whose retention is over. $1 how many at most.
-- Answers the id of each, and the operation where it was indeterminate. What others hold, sweepers and
-- calls, is left to them.
DELETE FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM "idempotent"."records" AS r
    WHERE r.expires_at IS NULL AND r.xact IS NULL
        AND r.lapses_at + r.retention <= statement_timestamp()
    LIMIT $1
    FOR UPDATE SKIP LOCKED
))
RETURNING r.id, CASE WHEN r.guarantee <> 0 THEN r.operation END AS operation
