-- 1: id. Answers in how long it is due, if it is at all.
SELECT due_at - {now}
FROM "idempotent_records"
WHERE id = ?1 AND due_at IS NOT NULL AND expires_at IS NULL
