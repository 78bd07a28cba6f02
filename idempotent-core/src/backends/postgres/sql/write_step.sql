-- Writes a step. $1 id, $2 token, $3 record, $4 guarantee, $5 retention in microseconds, $6 journal, $7 step, $8 entry,
-- $9 what may stand there, $10 what it replaces, $11 whether the lease must last, $12 and $13 other steps: see the function.
SELECT w.is_written, w.is_own
FROM "idempotent"."records_write_step"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS w
WHERE {autocommit}
