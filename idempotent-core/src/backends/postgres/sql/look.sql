-- What stands under many ids. $1 ids, $2 the longest record to answer, in bytes.
-- Answers for each id under which something stands its id and what load.sql does, with a null for the record if
-- it is longer; and whether the server accepts writes. Only a server that does knows of calls that run.
SELECT
    r.id,
    CASE WHEN octet_length(r.record) <= $2 THEN r.record END AS record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone,
    current_setting('transaction_read_only') = 'off' AS is_writable
FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.id = ANY ($1)
