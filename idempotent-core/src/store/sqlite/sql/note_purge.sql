-- 1: id.
INSERT INTO "idempotent_records_purges" (id, purged_at) VALUES (?1, {now})
