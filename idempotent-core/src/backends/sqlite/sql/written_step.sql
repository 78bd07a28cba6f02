-- 1: id, 2: token, 3: journal, 4: step, 5: entry, 6: whether the lease must last.
-- Answers whether the step is written, and whether the reservation is this token's.
SELECT
    EXISTS (
        SELECT 1 FROM "idempotent_records_steps" WHERE journal = ?3 AND step = ?4 AND entry = ?5
    ),
    EXISTS (
        SELECT 1 FROM "idempotent_records"
        WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal = ?3
            AND (NOT ?6 OR lapses_at >= {now})
    )
