-- 1: id, 2: token, 3: in how long it is due, or null.
-- Ends the lease of a row that was resumed and has no journal.
UPDATE "idempotent_records"
SET lapses_at = min(lapses_at, {now} - 1), due_at = {now} + ?3
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal = x''
