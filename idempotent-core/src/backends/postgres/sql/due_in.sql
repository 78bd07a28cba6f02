-- In how many microseconds a record is due. $1 id.
SELECT (extract(epoch FROM r.due_at - clock_timestamp()) * 1000000)::bigint AS due_in
FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.id = $1 AND r.due_at IS NOT NULL AND r.expires_at IS NULL
