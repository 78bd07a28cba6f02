-- The calls that are due. $1 the operations, $2 how many at most, $3 ids to leave out.
-- Answers as load.sql does, and the id, and for how many microseconds it is due.
SELECT
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    r.lapses_at + r.retention - clock_timestamp() AS gone,
    r.id,
    (extract(epoch FROM clock_timestamp() - r.due_at) * 1000000)::bigint AS overdue
FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.due_at <= statement_timestamp() AND r.expires_at IS NULL AND r.guarantee = 3
    AND r.lapses_at <= statement_timestamp() AND r.lapses_at + r.retention > statement_timestamp()
    AND r.operation = ANY ($1) AND r.id <> ALL ($3)
ORDER BY r.due_at
LIMIT $2
