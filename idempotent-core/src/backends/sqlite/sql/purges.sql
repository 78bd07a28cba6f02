-- 1: the last number that was heard of, 2: how many at most.
SELECT number, id
FROM "idempotent_records_purges"
WHERE number >= ?1
ORDER BY number
LIMIT ?2
