-- 1: id. Answers whether what went was still of use.
DELETE FROM "idempotent_records"
WHERE id = ?1
RETURNING coalesce(expires_at, iif(guarantee = 0, {now}, lapses_at + retention)) >= {now}
