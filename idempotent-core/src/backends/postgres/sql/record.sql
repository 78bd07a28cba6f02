-- Records a result where nothing stands. $1 id, $2 operation, $3 token, $4 guarantee, $5 record,
-- $6 ttl and $7 retention in microseconds, $8 whether to record it at all, $9 the scope it counts for, or null.
-- Answers three nulls: recorded; else what stands there, as load.sql does. No row: nothing stands there,
-- or what stood there changed meanwhile.
WITH found AS (
    SELECT
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone,
    "idempotent"."records_vacant_at"(r.lapses_at, r.expires_at, r.retention, r.guarantee)
        <= clock_timestamp() AS vacant
    FROM "idempotent"."records" AS r
    WHERE {autocommit} AND r.id = $1
), recorded AS (
    INSERT INTO "idempotent"."records" AS r
        (id, operation, token, guarantee, record, expires_at, retention, scope)
    SELECT $1, $2, $3, $4, $5,
        clock_timestamp() + $6 * interval '1 microsecond', $7 * interval '1 microsecond', $9
    WHERE $8 AND NOT EXISTS (SELECT FROM found WHERE NOT vacant)
    ON CONFLICT (id) DO UPDATE SET
        operation = excluded.operation,
        token = excluded.token,
        guarantee = excluded.guarantee,
        record = excluded.record,
        expires_at = clock_timestamp() + $6 * interval '1 microsecond',
        retention = excluded.retention,
        scope = excluded.scope,
        lapses_at = NULL,
        due_at = NULL,
        awaited = false
    WHERE "idempotent"."records_vacant_at"(r.lapses_at, r.expires_at, r.retention, r.guarantee)
        <= clock_timestamp()
    RETURNING true
)
SELECT NULL::bytea AS record, NULL::interval AS lapse, NULL::interval AS gone FROM recorded
UNION ALL
SELECT record, lapse, gone FROM found WHERE NOT vacant
