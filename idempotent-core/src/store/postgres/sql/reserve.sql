-- Reserves a vacant id. $1 id, $2 operation, $3 token, $4 guarantee, $5 record, $6 lease and
-- $7 retention in microseconds.
-- Answers three nulls: won, and whether an indeterminate record was forgotten for it; else what stands
-- there, as load.sql does. No row: what stood there changed meanwhile. Only whoever finds the id vacant
-- writes.
WITH found AS (
    SELECT
    r.record,
    (extract(epoch FROM r.lapses_at - clock_timestamp()) * 1000000)::bigint AS lapse,
    (extract(epoch FROM coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp())
        * 1000000)::bigint AS gone,
    "idempotent"."records_vacant_at"(r.lapses_at, r.expires_at, r.retention, r.guarantee)
        <= clock_timestamp() AS vacant,
    r.expires_at IS NULL AND r.guarantee <> 0 AS in_doubt
    FROM "idempotent"."records" AS r
    WHERE r.id = $1
), won AS (
    INSERT INTO "idempotent"."records" AS r
        (id, operation, token, guarantee, record, lapses_at, retention)
    SELECT $1, $2, $3, $4, $5,
        clock_timestamp() + $6 * interval '1 microsecond', $7 * interval '1 microsecond'
    WHERE NOT EXISTS (SELECT FROM found WHERE NOT vacant)
    ON CONFLICT (id) DO UPDATE SET
        operation = excluded.operation,
        token = excluded.token,
        guarantee = excluded.guarantee,
        record = excluded.record,
        lapses_at = clock_timestamp() + $6 * interval '1 microsecond',
        retention = excluded.retention,
        expires_at = NULL,
        awaited = false
    WHERE "idempotent"."records_vacant_at"(r.lapses_at, r.expires_at, r.retention, r.guarantee)
        <= clock_timestamp()
    RETURNING true
)
SELECT NULL::bytea AS record, NULL::bigint AS lapse, NULL::bigint AS gone,
    (SELECT in_doubt FROM found) AS forgotten
FROM won
UNION ALL
SELECT record, lapse, gone, NULL FROM found WHERE NOT vacant
