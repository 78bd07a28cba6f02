-- 1: id, 2: token, 3: whether an indeterminate record goes too. What has a journal stays.
DELETE FROM "idempotent_records"
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal IS NULL
    AND (guarantee = 0 OR lapses_at >= {now} OR ?3)
