-- 1: id, 2: token, 3: journal, 4: step, 5: entry, 6: whether the lease must last.
-- Writes a step where none stands.
INSERT OR IGNORE INTO "idempotent_records_steps" (journal, step, entry)
SELECT ?3, ?4, ?5
WHERE EXISTS (
    SELECT 1 FROM "idempotent_records"
    WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal = ?3
        AND (NOT ?6 OR lapses_at >= {now})
)
