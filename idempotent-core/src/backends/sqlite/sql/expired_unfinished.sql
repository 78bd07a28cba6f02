-- 1: how many rows at most.
SELECT rowid
FROM "idempotent_records"
WHERE expires_at IS NULL AND lapses_at + retention < {now}
LIMIT ?1
