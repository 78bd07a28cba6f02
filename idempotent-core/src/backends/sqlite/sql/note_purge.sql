-- 1: id. Notes the purge before it in the same transaction, if something went.
INSERT INTO "idempotent_records_purges" (id, purged_at) SELECT ?1, {now} WHERE changes() > 0
