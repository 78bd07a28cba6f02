-- 1: id.
SELECT record, lapses_at - {now}, retention, expires_at - {now}
FROM "idempotent_records"
WHERE id = ?1
