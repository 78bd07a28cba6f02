-- Reserves a vacant id. $1 id, $2 operation, $3 token, $4 guarantee, $5 record, $6 lease and
-- $7 retention in microseconds.
-- Answers three nulls: won, and whether an indeterminate record was forgotten for it; else what stands
-- there, as load.sql does. A statement that may write costs several times what a look does, even where
-- it writes nothing: all that is not a replay is left to a function, which runs only if the look gives
-- no row.
SELECT
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    r.expires_at - clock_timestamp() AS gone,
    NULL::boolean AS forgotten
FROM "idempotent"."records" AS r
WHERE r.id = $1 AND r.expires_at > clock_timestamp()
UNION ALL
SELECT t.recorded, t.lapse, t.gone, t.forgotten
FROM "idempotent"."records_take"($1, $2, $3, $4, $5, $6, $7) AS t
LIMIT 1
