-- 1: id, 2: token, 3: ttl, 4: record. Answers a row if it is a call of this very transaction.
UPDATE "idempotent_records"
SET lapses_at = NULL, expires_at = {now} + ?3, record = ?4, unfinished = NULL
WHERE id = ?1 AND token = ?2 AND unfinished IS NOT NULL
RETURNING 1
