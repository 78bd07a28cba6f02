-- 1: how many rows at most.
SELECT rowid
FROM "idempotent_records"
WHERE expires_at IS NOT NULL AND expires_at < {now}
ORDER BY expires_at
LIMIT ?1
