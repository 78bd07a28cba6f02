-- Reserves a vacant id. $1 id, $2 operation, $3 token, $4 guarantee, $5 record, $6 lease and
-- $7 retention in microseconds, $8 the scope it counts for, or null.
-- Answers one row value: what stands there, as load.sql does, and a null; or three nulls, and whether an
-- indeterminate record was forgotten for the reservation. A statement that may write costs several times
-- what a look does, even where it writes nothing: all that is not a replay is left to a function, which
-- runs only if the look gives nothing. A second function, for calls with an input, would be looked up by each
-- statement: they have reserve_with_input.sql.
SELECT coalesce(
    (
        SELECT ROW(
            r.record,
            NULL::interval,
            r.expires_at - clock_timestamp(),
            NULL::boolean
        )
        FROM "idempotent"."records" AS r
        WHERE r.id = $1 AND r.expires_at > clock_timestamp()
    ),
    "idempotent"."records_take"($1, $2, $3, $4, $5, $6, $7, $8)
) AS answer
WHERE {autocommit}
