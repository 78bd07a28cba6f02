-- 1: the numbers of the rows that were over, as JSON. Answers with what nobody resolved.
DELETE FROM "idempotent_records"
WHERE rowid IN (SELECT value FROM json_each(?1))
    AND coalesce(expires_at, lapses_at + retention) < {now}
RETURNING expires_at IS NULL AND guarantee <> 0, operation, id
