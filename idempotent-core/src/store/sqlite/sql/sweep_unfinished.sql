-- 1: how many rows at most. Answers with what nobody resolved.
DELETE FROM "idempotent_records"
WHERE rowid IN (
    SELECT rowid FROM "idempotent_records"
    WHERE expires_at IS NULL AND lapses_at + retention < {now}
    LIMIT ?1
)
RETURNING guarantee, operation, id
