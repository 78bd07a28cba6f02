-- 1: journal.
SELECT step, entry FROM "idempotent_records_steps" WHERE journal = ?1
