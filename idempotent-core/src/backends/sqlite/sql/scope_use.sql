-- 1: scope, 2: how many records to find at most.
-- Answers how many are live, their bytes, and how many of them are indeterminate.
SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(indeterminate), 0)
FROM (
    SELECT
        length(record) AS bytes,
        expires_at IS NULL AND guarantee NOT IN (0, 3) AND lapses_at < {now} AS indeterminate
    FROM "idempotent_records"
    WHERE scope = ?1
        AND coalesce(expires_at, iif(guarantee = 0, lapses_at, lapses_at + retention)) >= {now}
    LIMIT ?2
)
