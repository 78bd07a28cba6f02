-- Calls within transactions of their callers: reserved, run and recorded before anybody sees any of it.

-- Stays empty.
CREATE TABLE "idempotent_records_never" (
    id BLOB NOT NULL PRIMARY KEY
) STRICT;

-- Not null while such a call runs, and so in no row that another connection sees: a transaction that
-- would commit it points at a row that is not there, and is refused.
ALTER TABLE "idempotent_records" ADD COLUMN unfinished BLOB
    REFERENCES "idempotent_records_never" (id) DEFERRABLE INITIALLY DEFERRED;

INSERT INTO "idempotent_records_migrations" (version) VALUES (2);
