-- Counts what a scope keeps. $1 scope, $2 how many records to find at most.
-- Answers how many are live, their bytes, and how many of them are indeterminate. The length of a record
-- is known without reading it.
SELECT
    count(*) AS records,
    coalesce(sum(found.bytes), 0)::bigint AS bytes,
    count(*) FILTER (WHERE found.indeterminate) AS indeterminate
FROM (
    SELECT
        octet_length(r.record) AS bytes,
        r.expires_at IS NULL AND r.guarantee NOT IN (0, 3)
            AND r.lapses_at <= statement_timestamp() AS indeterminate
    FROM "idempotent"."records" AS r
    WHERE {autocommit} AND r.scope = $1
        AND "idempotent"."records_vacant_at"(
            r.lapses_at, r.expires_at, r.retention, r.guarantee
        ) > statement_timestamp()
    LIMIT $2
) AS found
