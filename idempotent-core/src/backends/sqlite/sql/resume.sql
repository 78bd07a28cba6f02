-- 1: id, 2: the token that was seen, 3: token, 4: record, 5: guarantee, 6: lease, 7: retention, 8: in how long it is due,
-- or null, 9: the record that was seen. Changes a row if it is suspended and still what was seen: a late owner's first
-- step changes its record and not its token.
UPDATE "idempotent_records"
SET token = ?3,
    record = ?4,
    guarantee = ?5,
    lapses_at = {now} + ?6,
    retention = ?7,
    due_at = {now} + ?8,
    journal = coalesce(journal, x'')
WHERE id = ?1 AND token = ?2 AND record = ?9 AND expires_at IS NULL AND guarantee = 3
    AND lapses_at < {now} AND lapses_at + retention >= {now}
