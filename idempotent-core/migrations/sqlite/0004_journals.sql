-- The steps of calls that have some, so that a run after a crash does not repeat them; and when calls are to be resumed
-- without their callers.

-- The name of the journal of a reservation that has one; empty if an earlier run of its call was interrupted before it
-- recorded a step; null otherwise. The guarantee of what can be resumed is 3 in the place of 0: once it has lapsed the
-- call waits to be resumed, and no release that knows nothing of journals takes its id.
ALTER TABLE "idempotent_records" ADD COLUMN journal BLOB;

-- When a reservation with an input is to be resumed without its caller, once it has lapsed. Renewing a lease does not
-- change it.
ALTER TABLE "idempotent_records" ADD COLUMN due_at INTEGER;

CREATE INDEX "idempotent_records_due" ON "idempotent_records" (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE "idempotent_records_steps" (
    journal BLOB NOT NULL,
    step    BLOB NOT NULL,
    entry   BLOB NOT NULL,
    CONSTRAINT "idempotent_records_steps_pkey" PRIMARY KEY (journal, step)
) STRICT;

-- A journal ends with its reservation, in the same transaction, whoever ends it: when it is completed, or its id is
-- taken. Resuming a call changes neither column.
CREATE TRIGGER "idempotent_records_journal_ends" AFTER UPDATE OF operation, expires_at ON "idempotent_records"
WHEN OLD.journal IS NOT NULL
BEGIN
    DELETE FROM "idempotent_records_steps" WHERE journal = OLD.journal;
    UPDATE "idempotent_records" SET journal = NULL WHERE id = NEW.id;
END;

CREATE TRIGGER "idempotent_records_journal_goes" AFTER DELETE ON "idempotent_records"
WHEN OLD.journal IS NOT NULL
BEGIN
    DELETE FROM "idempotent_records_steps" WHERE journal = OLD.journal;
END;

INSERT INTO "idempotent_records_migrations" (version) VALUES (4);
