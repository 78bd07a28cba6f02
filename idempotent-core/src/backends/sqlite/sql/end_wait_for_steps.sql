-- 1: id, 2: journal, 3: whether the call has an input.
-- Suspends a call that waits for its steps, if none is in doubt any more: the second byte of an entry says so. The third
-- of its record does, as the guarantee does. With an input it is due at once.
UPDATE "idempotent_records"
SET record = CAST(substr(record, 1, 2) || x'03' || substr(record, 4) AS BLOB),
    guarantee = 3,
    due_at = iif(?3, {now}, NULL)
WHERE id = ?1 AND journal = ?2 AND guarantee = 4 AND expires_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM "idempotent_records_steps" WHERE journal = ?2 AND substr(entry, 2, 1) = x'00'
)
