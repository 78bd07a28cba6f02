-- 1: id, 2: token. Makes the id vacant if it is reserved and has no journal.
DELETE FROM "idempotent_records"
WHERE id = ?1 AND token = ?2 AND expires_at IS NULL AND journal IS NULL
