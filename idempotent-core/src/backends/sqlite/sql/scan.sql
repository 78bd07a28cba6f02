-- 1: the id after which it goes on, 2: how many rows to look at, 3: of which operation, or null.
-- Answers no record where that is of another operation: it may be large.
SELECT iif(?3 IS NULL OR operation = ?3, record, NULL), lapses_at - {now}, retention, expires_at - {now}, id, operation
FROM "idempotent_records"
WHERE id > ?1
ORDER BY id
LIMIT ?2
