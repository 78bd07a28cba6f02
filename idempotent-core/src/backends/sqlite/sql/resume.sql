-- 1: id, 2: the token that was seen, 3: token, 4: record, 5: guarantee, 6: lease, 7: retention.
-- Changes a row if it is suspended with the token that was seen.
UPDATE "idempotent_records"
SET token = ?3, record = ?4, guarantee = ?5, lapses_at = {now} + ?6, retention = ?7
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal IS NOT NULL AND guarantee = 3
    AND lapses_at < {now} AND lapses_at + retention >= {now}
