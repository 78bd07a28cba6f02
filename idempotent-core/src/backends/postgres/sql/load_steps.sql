-- The steps of a journal. $1 journal.
SELECT s.step, s.entry FROM "idempotent"."records_steps" AS s WHERE {autocommit} AND s.journal = $1
