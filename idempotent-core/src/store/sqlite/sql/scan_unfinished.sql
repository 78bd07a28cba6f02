-- 1: the id after which it goes on, 2: how many rows to look at.
SELECT record, lapses_at - {now}, retention, expires_at - {now}, id
FROM "idempotent_records"
WHERE id > ?1 AND expires_at IS NULL
ORDER BY id
LIMIT ?2
