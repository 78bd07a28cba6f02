-- Removes results whose time is over. $1 how many at most.
-- Answers a row for each. What others hold, sweepers and calls, is left to them.
DELETE FROM "idempotent"."records"
WHERE id = ANY (ARRAY(
    SELECT r.id
    FROM "idempotent"."records" AS r
    WHERE r.expires_at <= statement_timestamp()
    ORDER BY r.expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
))
RETURNING true
