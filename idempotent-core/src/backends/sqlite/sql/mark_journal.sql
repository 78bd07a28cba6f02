-- 1: id, 2: token, 3: record, 4: guarantee, 5: retention, 6: journal, 7: whether the lease must last.
-- Marks a reservation that has no journal yet.
UPDATE "idempotent_records"
SET record = ?3, guarantee = ?4, retention = ?5, journal = ?6
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND (journal IS NULL OR journal = x'')
    AND (NOT ?7 OR lapses_at >= {now})
