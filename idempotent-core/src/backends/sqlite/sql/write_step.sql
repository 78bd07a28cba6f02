-- 1: id, 2: token, 3: journal, 4: step, 5: entry, 6: whether the lease must last, 7: what may stand there: 0 nothing,
-- 1 anything, 2 exactly 8, which is null otherwise.
-- A late owner, whose token has gone, may still replace exactly what stands there, and begins nothing.
INSERT INTO "idempotent_records_steps" AS there (journal, step, entry)
SELECT ?3, ?4, ?5
WHERE (
    EXISTS (
        SELECT 1 FROM "idempotent_records"
        WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal = ?3
            AND (NOT ?6 OR lapses_at >= {now})
    )
    AND (?7 <> 2 OR EXISTS (
        SELECT 1 FROM "idempotent_records_steps" WHERE journal = ?3 AND step = ?4
    ))
) OR (
    ?7 = 2 AND NOT ?6
    AND EXISTS (
        SELECT 1 FROM "idempotent_records" WHERE id = ?1 AND journal = ?3 AND expires_at IS NULL
    )
    AND EXISTS (
        SELECT 1 FROM "idempotent_records_steps" WHERE journal = ?3 AND step = ?4 AND entry = ?8
    )
)
ON CONFLICT (journal, step) DO UPDATE SET entry = excluded.entry
WHERE ?7 = 1 OR (?7 = 2 AND there.entry = ?8)
