-- Reserves a vacant id for a call with an input, which is due once its lease is over. Parameters and answer are those of
-- reserve.sql.
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
    "idempotent"."records_take_with_input"($1, $2, $3, $4, $5, $6, $7, $8)
) AS answer
WHERE {autocommit}
