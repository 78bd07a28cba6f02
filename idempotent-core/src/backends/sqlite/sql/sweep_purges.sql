-- 1: how long a purge is told of. The last one stays: the next number depends on it.
DELETE FROM "idempotent_records_purges"
WHERE purged_at + ?1 < {now}
    AND number < (SELECT max(number) FROM "idempotent_records_purges")
