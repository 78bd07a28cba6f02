-- What stands under an id. $1 id.
-- Answers the record, the microseconds until its lease ends (null: it is completed), and those until
-- it is gone.
SELECT
    r.record,
    (extract(epoch FROM r.lapses_at - clock_timestamp()) * 1000000)::bigint AS lapse,
    (extract(epoch FROM coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp())
        * 1000000)::bigint AS gone
FROM "idempotent"."records" AS r
WHERE r.id = $1
