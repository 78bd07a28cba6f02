-- A journal ends after the change that ends its reservation, and no longer before it. A trigger before a change makes the
-- server lock the row first and write that to its log, whether the trigger then runs or not: calls without steps paid for it too.

DROP TRIGGER "records_journal_ends" ON "idempotent"."records";

DROP TRIGGER "records_journal_goes" ON "idempotent"."records";

-- Runs at the end of the statement that ends the reservation. A statement that forgets the name of the journal itself, as the
-- one that completes a single record does, saves a second change.
CREATE OR REPLACE FUNCTION "idempotent"."records_end_journal"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM "idempotent"."records_steps" WHERE journal = OLD.journal;
    IF TG_OP = 'UPDATE' THEN
        UPDATE "idempotent"."records" SET journal = NULL WHERE id = NEW.id AND journal IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER "records_journal_ends" AFTER UPDATE OF operation, expires_at ON "idempotent"."records"
FOR EACH ROW WHEN (OLD.journal IS NOT NULL) EXECUTE FUNCTION "idempotent"."records_end_journal"();

CREATE TRIGGER "records_journal_goes" AFTER DELETE ON "idempotent"."records"
FOR EACH ROW WHEN (OLD.journal IS NOT NULL) EXECUTE FUNCTION "idempotent"."records_end_journal"();

INSERT INTO "idempotent"."records_migrations" (version) VALUES (10);
