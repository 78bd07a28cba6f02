-- What stands under an id. $1 id.
-- Answers the record, the time until its lease ends (null: it is completed), and the time until it is
-- gone.
SELECT
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone
FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.id = $1
