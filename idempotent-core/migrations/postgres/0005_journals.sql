-- The steps of calls that have some, so that a run after a crash does not repeat them; and when calls are to be resumed
-- without their callers.

ALTER TABLE "idempotent"."records" ADD COLUMN journal bytea;

COMMENT ON COLUMN "idempotent"."records".journal IS
    'reserved: the name of the journal of its steps, if it has any; empty if an earlier run was interrupted before it recorded one. The guarantee of what can be resumed is 3 in the place of 0: once it has lapsed the call waits to be resumed';

ALTER TABLE "idempotent"."records" ADD COLUMN due_at timestamptz;

COMMENT ON COLUMN "idempotent"."records".due_at IS
    'reserved: when a call with an input is to be resumed without its caller, once it has lapsed; renewing a lease does not change it';

CREATE INDEX "records_due" ON "idempotent"."records" (due_at) WHERE due_at IS NOT NULL;

-- Makes a call due once its first lease is over.
CREATE FUNCTION "idempotent"."records_set_due"(asked_id bytea, asked_token bytea)
RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE "idempotent"."records" SET due_at = lapses_at WHERE id = asked_id AND token = asked_token
$$;

-- As the one that takes an id, for a call with an input.
CREATE FUNCTION "idempotent"."records_take_with_input"(
    asked_id        bytea,
    asked_operation text,
    asked_token     bytea,
    asked_guarantee smallint,
    asked_record    bytea,
    asked_lease     bigint,
    asked_retention bigint,
    asked_scope     bytea,
    OUT recorded  bytea,
    OUT lapse     interval,
    OUT gone      interval,
    OUT forgotten boolean
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT t.recorded, t.lapse, t.gone, t.forgotten
    INTO recorded, lapse, gone, forgotten
    FROM "idempotent"."records_take"(
        asked_id, asked_operation, asked_token, asked_guarantee, asked_record, asked_lease,
        asked_retention, asked_scope
    ) AS t;
    IF recorded IS NULL THEN
        PERFORM "idempotent"."records_set_due"(asked_id, asked_token);
    END IF;
END
$$;

CREATE TABLE "idempotent"."records_steps" (
    journal bytea NOT NULL,
    step    bytea NOT NULL,
    entry   bytea NOT NULL,
    CONSTRAINT "records_steps_pkey" PRIMARY KEY (journal, step)
);

-- A journal ends with its reservation, in the same transaction, whoever ends it: when it is completed, when its id is
-- taken, and when it is removed. Resuming a call changes neither column, and a call without steps runs none of it.
CREATE FUNCTION "idempotent"."records_end_journal"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM "idempotent"."records_steps" WHERE journal = OLD.journal;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.journal := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER "records_journal_ends" BEFORE UPDATE OF operation, expires_at ON "idempotent"."records"
FOR EACH ROW WHEN (OLD.journal IS NOT NULL) EXECUTE FUNCTION "idempotent"."records_end_journal"();

CREATE TRIGGER "records_journal_goes" BEFORE DELETE ON "idempotent"."records"
FOR EACH ROW WHEN (OLD.journal IS NOT NULL) EXECUTE FUNCTION "idempotent"."records_end_journal"();

-- Writes a step, if the reservation is this token's. The row of the reservation stays locked until the write is
-- committed: without that, whoever takes the call meanwhile would not see a step that its late owner still commits.
CREATE FUNCTION "idempotent"."records_write_step"(
    asked_id        bytea,
    asked_token     bytea,
    -- The reservation with the journal, for one that has none yet.
    asked_record    bytea,
    asked_guarantee smallint,
    -- In microseconds.
    asked_retention bigint,
    asked_journal   bytea,
    asked_step      bytea,
    asked_entry     bytea,
    -- 0 nothing may stand there, 1 anything, 2 exactly the replaced one.
    asked_mode      smallint,
    asked_replaced  bytea,
    -- Whether the lease must last.
    asked_begins    boolean,
    -- Steps to be written where none stand.
    asked_others    bytea[],
    asked_marks     bytea[],
    OUT is_written  boolean,
    OUT is_own      boolean
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE "idempotent"."records" AS r
    SET record = asked_record, guarantee = asked_guarantee, journal = asked_journal,
        retention = asked_retention * interval '1 microsecond',
        due_at = CASE WHEN r.guarantee = 3 THEN r.due_at END
    WHERE r.id = asked_id AND r.token = asked_token AND r.expires_at IS NULL
        AND (r.journal IS NULL OR r.journal = '')
        -- What it is to replace stands in no new journal.
        AND asked_mode <> 2
        AND (NOT asked_begins OR r.lapses_at > clock_timestamp());

    PERFORM FROM "idempotent"."records" AS r
    WHERE r.id = asked_id AND r.token = asked_token AND r.expires_at IS NULL AND r.journal = asked_journal
        AND (NOT asked_begins OR r.lapses_at > clock_timestamp())
    FOR SHARE;
    is_own := FOUND;

    IF is_own THEN
        INSERT INTO "idempotent"."records_steps" (journal, step, entry)
        SELECT asked_journal, o.step, o.entry
        FROM unnest(asked_others, asked_marks) AS o(step, entry)
        ORDER BY o.step
        ON CONFLICT (journal, step) DO NOTHING;

        IF asked_mode = 2 THEN
            UPDATE "idempotent"."records_steps" AS s SET entry = asked_entry
            WHERE s.journal = asked_journal AND s.step = asked_step AND s.entry = asked_replaced;
        ELSE
            INSERT INTO "idempotent"."records_steps" AS s (journal, step, entry)
            VALUES (asked_journal, asked_step, asked_entry)
            ON CONFLICT (journal, step) DO UPDATE SET entry = excluded.entry WHERE asked_mode = 1;
        END IF;
    ELSIF asked_mode = 2 AND NOT asked_begins THEN
        -- A late owner settles the step that it began itself, and begins none.
        PERFORM FROM "idempotent"."records" AS r
        WHERE r.id = asked_id AND r.expires_at IS NULL AND r.journal = asked_journal
        FOR SHARE;
        IF FOUND THEN
            UPDATE "idempotent"."records_steps" AS s SET entry = asked_entry
            WHERE s.journal = asked_journal AND s.step = asked_step AND s.entry = asked_replaced;
        END IF;
    END IF;

    is_written := EXISTS (
        SELECT FROM "idempotent"."records_steps" AS s
        WHERE s.journal = asked_journal AND s.step = asked_step AND s.entry = asked_entry
    );
END
$$;

-- Ends a run that is not completed. A reservation without a journal is released, or abandoned with a record of its own;
-- of what was resumed, a release only ends the lease.
CREATE FUNCTION "idempotent"."records_suspend"(
    asked_id          bytea,
    asked_token       bytea,
    -- Null: there is no journal, as far as the owner knows.
    asked_record      bytea,
    asked_guarantee   smallint,
    asked_ends_lease  boolean,
    -- Null: released.
    asked_plain       bytea,
    asked_plain_guarantee smallint,
    -- Steps, and what is to replace exactly what.
    asked_steps       bytea[],
    asked_seen        bytea[],
    asked_entries     bytea[],
    -- In microseconds from now; null: it is resumed by its next caller alone.
    asked_due         bigint,
    asked_channel     text
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old "idempotent"."records";
BEGIN
    SELECT r.* INTO old FROM "idempotent"."records" AS r
    WHERE r.id = asked_id AND r.token = asked_token AND r.expires_at IS NULL
    FOR UPDATE;
    -- Whoever knows of no journal leaves one alone.
    IF NOT FOUND OR (old.journal <> '' AND asked_record IS NULL) THEN
        RETURN;
    END IF;
    IF old.journal IS NULL AND asked_plain IS NULL THEN
        DELETE FROM "idempotent"."records" AS r WHERE r.id = asked_id;
    ELSE
        UPDATE "idempotent"."records_steps" AS s SET entry = a.entry
        FROM unnest(asked_steps, asked_seen, asked_entries) AS a(step, seen, entry)
        WHERE s.journal = old.journal AND s.step = a.step AND s.entry = a.seen;

        UPDATE "idempotent"."records" AS r
        SET record = CASE WHEN old.journal <> '' THEN asked_record ELSE coalesce(asked_plain, r.record) END,
            guarantee = CASE WHEN old.journal <> '' THEN asked_guarantee
                ELSE coalesce(asked_plain_guarantee, r.guarantee) END,
            lapses_at = CASE WHEN asked_ends_lease
                THEN least(r.lapses_at, clock_timestamp()) ELSE r.lapses_at END,
            due_at = clock_timestamp() + asked_due * interval '1 microsecond'
        WHERE r.id = asked_id;
    END IF;
    IF old.awaited THEN
        PERFORM pg_notify(asked_channel, 'd' || encode(asked_id, 'hex'));
    END IF;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (5);
