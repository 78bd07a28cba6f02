-- 1: id, 2: token, 3: record, 4: guarantee, 5: whether its lease ends now, 6: in how long it is due, or null.
-- Changes a row that has a journal. The token is that of the record, from its fifth byte on: it may fence the owner.
UPDATE "idempotent_records"
SET record = ?3,
    token = substr(?3, 5, 16),
    guarantee = ?4,
    lapses_at = CASE WHEN ?5 THEN min(lapses_at, {now} - 1) ELSE lapses_at END,
    due_at = {now} + ?6
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal <> x''
