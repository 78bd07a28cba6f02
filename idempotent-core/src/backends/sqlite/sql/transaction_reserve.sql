-- 1: id, 2: token, 3: retention, 4: operation, 5: record, 6: scope or null.
-- Changes a row where the id was vacant, and none where it was not, or where nothing would keep the
-- transaction from committing it as it is.
INSERT INTO "idempotent_records" AS held
    (id, token, guarantee, lapses_at, retention, expires_at, operation, record, unfinished, scope)
SELECT ?1, ?2, 1, {now}, ?3, NULL, ?4, ?5, ?1, ?6
WHERE (SELECT foreign_keys FROM pragma_foreign_keys)
ON CONFLICT (id) DO UPDATE SET
    token = excluded.token,
    guarantee = excluded.guarantee,
    lapses_at = excluded.lapses_at,
    retention = excluded.retention,
    expires_at = NULL,
    operation = excluded.operation,
    record = excluded.record,
    unfinished = excluded.unfinished,
    scope = excluded.scope,
    due_at = NULL
WHERE held.unfinished IS NULL AND (
    held.expires_at < {now}
    OR (held.lapses_at < {now} AND (held.guarantee = 0 OR held.lapses_at + held.retention < {now}))
)
