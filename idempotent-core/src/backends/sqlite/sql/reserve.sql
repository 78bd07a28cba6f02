-- 1: id, 2: token, 3: guarantee, 4: lease, 5: retention, 6: operation, 7: record, 8: scope or null.
-- Changes a row where the id was vacant, and none where it was not. What has an input is due once its lease is over.
INSERT INTO "idempotent_records" AS held
    (id, token, guarantee, lapses_at, retention, expires_at, operation, record, scope, due_at)
VALUES (?1, ?2, ?3, {now} + ?4, ?5, NULL, ?6, ?7, ?8, iif(?3 = 3, {now} + ?4, NULL))
ON CONFLICT (id) DO UPDATE SET
    token = excluded.token,
    guarantee = excluded.guarantee,
    lapses_at = excluded.lapses_at,
    retention = excluded.retention,
    expires_at = NULL,
    operation = excluded.operation,
    record = excluded.record,
    scope = excluded.scope,
    due_at = excluded.due_at
WHERE held.expires_at < {now}
    OR (held.lapses_at < {now} AND (held.guarantee = 0 OR held.lapses_at + held.retention < {now}))
