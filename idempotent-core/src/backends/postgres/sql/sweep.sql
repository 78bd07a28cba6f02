-- Removes results whose time is over. $1 how many at most.
-- Answers how many it removed. What others hold, sweepers and calls, is left to them. A locked row stays
-- where it is, so its place finds it at once; one that was written anew just before is at another.
WITH swept AS (
    DELETE FROM "idempotent"."records"
    WHERE {autocommit} AND ctid = ANY (ARRAY(
        SELECT r.ctid
        FROM "idempotent"."records" AS r
        WHERE r.expires_at <= statement_timestamp()
        ORDER BY r.expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING true
)
SELECT count(*) FROM swept
