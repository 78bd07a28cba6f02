-- 1: id, 2: token, 3: record, 4: guarantee, 5: whether its lease ends now.
UPDATE "idempotent_records"
SET record = ?3,
    guarantee = ?4,
    lapses_at = CASE WHEN ?5 THEN min(lapses_at, {now} - 1) ELSE lapses_at END
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal IS NULL
