-- 1: id, 2: token.
DELETE FROM "idempotent_records"
WHERE id = ?1 AND token = ?2 AND unfinished IS NOT NULL
