-- Whom a record counts for: so that the records of one scope can be counted.

-- A hash of the tenant or user; null if records are not counted by scope.
ALTER TABLE "idempotent_records" ADD COLUMN scope BLOB;

-- For counting. Neither renewing a lease nor completing a record changes it.
CREATE INDEX "idempotent_records_scope" ON "idempotent_records" (scope) WHERE scope IS NOT NULL;

INSERT INTO "idempotent_records_migrations" (version) VALUES (3);
