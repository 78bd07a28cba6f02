-- 1: id, 2: token, 3: ttl, 4: record. Changes a row if it is held by that token and not completed.
UPDATE "idempotent_records"
SET lapses_at = NULL, expires_at = {now} + ?3, record = ?4, due_at = NULL
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL
    AND (guarantee = 0 OR lapses_at + retention >= {now})
