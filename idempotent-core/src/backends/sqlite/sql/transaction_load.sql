-- 1: id. Answers last whether it is a call of this very transaction that has not ended.
SELECT record, lapses_at - {now}, retention, expires_at - {now}, unfinished IS NOT NULL
FROM "idempotent_records"
WHERE id = ?1
