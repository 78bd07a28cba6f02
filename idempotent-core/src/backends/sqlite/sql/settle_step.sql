-- 1: id, 2: token, 3: step, 4: the entry that was seen, 5: entry.
UPDATE "idempotent_records_steps"
SET entry = ?5
WHERE step = ?3 AND entry = ?4 AND journal = (
    SELECT journal FROM "idempotent_records" WHERE id = ?1 AND token = ?2 AND expires_at IS NULL
)
