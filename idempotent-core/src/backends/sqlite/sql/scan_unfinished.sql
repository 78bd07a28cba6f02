-- 1: the id after which it goes on, 2: how many rows to look at, 3: of which operation, or null, 4: whether to leave out
-- suspended calls without a step in doubt. An entry that this version cannot read is one, and a journal that is lost.
-- Answers no record where that is of another operation or left out: it may be large.
SELECT iif((?3 IS NULL OR operation = ?3) AND (NOT ?4 OR guarantee <> 3 OR coalesce(journal, x'') = x'' OR EXISTS (
    SELECT 1 FROM "idempotent_records_steps" AS s
    WHERE s.journal = "idempotent_records".journal AND (
        substr(s.entry, 2, 1) = x'00' OR substr(s.entry, 1, 1) <> x'01' OR substr(s.entry, 3, 1) > x'0f'
        OR substr(s.entry, 2, 1) > x'06' AND substr(s.entry, 2, 1) <> x'80'
    )
) OR NOT EXISTS (
    SELECT 1 FROM "idempotent_records_steps" AS s WHERE s.journal = "idempotent_records".journal
)), record, NULL), lapses_at - {now}, retention, expires_at - {now}, id, operation
FROM "idempotent_records"
WHERE id > ?1 AND expires_at IS NULL
ORDER BY id
LIMIT ?2
