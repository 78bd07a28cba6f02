-- 1: id, 2: token. Answers a row if it is a call of this very transaction.
DELETE FROM "idempotent_records"
WHERE id = ?1 AND token = ?2 AND unfinished IS NOT NULL
RETURNING 1
