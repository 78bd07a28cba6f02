-- Ends a run that is not completed. $1 id, $2 token, $3 record, $4 guarantee, $5 whether its lease ends now, $6 and $7
-- record and guarantee without a journal, $8 to $10 steps to settle, $11 in how long it is due, $12 channel:
-- see the function.
SELECT "idempotent"."records_suspend"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) WHERE {autocommit}
