-- As scan.sql, of all operations and states, so that each record that is looked at is given.
-- Some of the records, by id. $1 after which id, $2 how many.
-- Answers the records with their ids and operations, as load.sql does.
SELECT r.id, r.operation, r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone
FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.id > $1
ORDER BY r.id
LIMIT $2
