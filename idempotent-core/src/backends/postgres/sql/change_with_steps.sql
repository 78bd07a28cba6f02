-- Changes records, as change.sql does, and writes steps of calls to their journals. $1 to $13 as for change.sql; of the
-- steps: $14 ids, $15 tokens, $16 records, $17 guarantees, $18 retentions, $19 journals, $20 steps, $21 entries,
-- $22 what may stand there, $23 what they replace, $24 whether the lease must last; $25 to $28 others that are written with
-- them: see the function.
SELECT c.changed_id AS id, c.recorded AS record, c.lapse, c.gone, c.forgotten
FROM "idempotent"."records_change_with_steps"(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28
) AS c
WHERE {autocommit}
