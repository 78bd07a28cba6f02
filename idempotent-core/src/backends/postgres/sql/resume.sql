-- Takes a suspended call. $1 id, $2 the token that was seen, $3 token, $4 record, $5 guarantee, $6 lease and $7 retention
-- in microseconds, $8 in how many it is due, or null, $9 the record that was seen. Answers a
-- row if it is suspended and still what was seen: a late owner's first step changes its record and not its token.
UPDATE "idempotent"."records" AS r
SET token = $3, record = $4, guarantee = $5, awaited = false,
    lapses_at = clock_timestamp() + $6 * interval '1 microsecond',
    retention = $7 * interval '1 microsecond',
    due_at = clock_timestamp() + $8 * interval '1 microsecond',
    journal = coalesce(r.journal, '')
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.record = $9 AND r.expires_at IS NULL AND r.guarantee = 3
    AND r.lapses_at <= clock_timestamp() AND r.lapses_at + r.retention > clock_timestamp()
RETURNING true
