-- 1: id, 2: token, 3: lease. Changes a row if it is reserved with that token and has not lapsed.
UPDATE "idempotent_records"
SET lapses_at = {now} + ?3
WHERE id = ?1 AND token = ?2 AND lapses_at >= {now}
