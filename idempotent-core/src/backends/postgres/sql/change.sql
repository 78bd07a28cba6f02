-- Takes steps of many calls. $1 kinds, $2 ids, $3 tokens, $4 operations, $5 guarantees, $6 records, $7 times,
-- $8 retentions, $9 scopes, $10 flags, $11 locks, $12 how long to wait for a lock, $13 channel: see the function.
SELECT c.changed_id AS id, c.recorded AS record, c.lapse, c.gone, c.forgotten
FROM "idempotent"."records_change"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS c
WHERE {autocommit}
