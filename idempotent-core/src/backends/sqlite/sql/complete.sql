-- 1: id, 2: token, 3: guarantee, 4: ttl, 5: retention, 6: operation, 7: record,
-- 8: scope or null.
-- Changes a row where the id was vacant, or held by that token and not completed.
INSERT INTO "idempotent_records" AS held
    (id, token, guarantee, lapses_at, retention, expires_at, operation, record, scope)
VALUES (?1, ?2, ?3, NULL, ?5, {now} + ?4, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET
    token = excluded.token,
    guarantee = excluded.guarantee,
    lapses_at = NULL,
    retention = excluded.retention,
    expires_at = excluded.expires_at,
    operation = excluded.operation,
    record = excluded.record,
    scope = coalesce(excluded.scope, held.scope),
    due_at = NULL
WHERE held.expires_at < {now}
    OR (held.expires_at IS NULL AND held.token = excluded.token)
    OR (held.lapses_at < {now} AND (held.guarantee = 0 OR held.lapses_at + held.retention < {now}))
