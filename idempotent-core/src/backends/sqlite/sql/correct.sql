-- 1: id, 2: the record that was seen, 3: record, 4: ttl. Changes a row if one of both records is there, completed.
UPDATE "idempotent_records"
SET record = ?3, expires_at = {now} + ?4
WHERE id = ?1 AND record IN (?2, ?3) AND expires_at >= {now}
RETURNING 1
