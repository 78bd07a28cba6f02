-- 1: the operations, as JSON, 2: how many at most, 3: ids to leave out, as JSON of hexadecimal texts. Answers as load.sql
-- does, and the id, and for how long it is due.
SELECT record, lapses_at - {now}, retention, expires_at - {now}, id, operation, {now} - due_at
FROM "idempotent_records"
WHERE due_at IS NOT NULL AND due_at <= {now} AND guarantee = 3 AND lapses_at < {now}
    AND lapses_at + retention >= {now}
    AND operation IN (SELECT value FROM json_each(?1))
    AND lower(hex(id)) NOT IN (SELECT value FROM json_each(?3))
ORDER BY due_at
LIMIT ?2
