-- Answers the number of the last purge.
SELECT coalesce(max(number), 0) FROM "idempotent_records_purges"
