-- Calls that wait for nothing but their steps in doubt, and go on once these are settled: their guarantee is 4.

COMMENT ON COLUMN "idempotent"."records".guarantee IS
    'what a lapse means. 0: at least once, the id is vacant; 1: at most once, 2: exactly once, nobody knows what happened; 3: it waits to be resumed; 4: it waits until no step of its journal is in doubt, and then to be resumed';

-- Whether a step of a journal is in doubt: the second byte of its entry says so.
CREATE FUNCTION "idempotent"."records_is_in_doubt"(asked_journal bytea)
RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT FROM "idempotent"."records_steps" AS s
        WHERE s.journal = asked_journal AND substring(s.entry FROM 2 FOR 1) = '\x00'
    )
$$;

-- Writes a step, if the reservation is this token's. The row of the reservation stays locked until the write is
-- committed: without that, whoever takes the call meanwhile would not see a step that its late owner still commits.
--
-- Whoever settles a step alone holds the row, if the call may wait for it: of two who settle the last two steps at the
-- same time one must see both. A call that runs does not wait, and those who write its steps share the row.
CREATE OR REPLACE FUNCTION "idempotent"."records_write_step"(
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
DECLARE
    old "idempotent"."records";
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
        AND (r.guarantee <> 4 OR asked_mode <> 2)
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
        -- A late owner settles the step that it began itself, and begins none. It writes the row, and does not only lock it:
        -- where a transaction sees what stood at its begin, of two who settle the last two steps one must fail and try again.
        UPDATE "idempotent"."records" AS r SET guarantee = r.guarantee
        WHERE r.id = asked_id AND r.expires_at IS NULL AND r.journal = asked_journal
        RETURNING r.* INTO old;
        IF FOUND THEN
            is_own := old.token = asked_token;
            UPDATE "idempotent"."records_steps" AS s SET entry = asked_entry
            WHERE s.journal = asked_journal AND s.step = asked_step AND s.entry = asked_replaced;
            IF FOUND AND old.guarantee = 4 AND NOT "idempotent"."records_is_in_doubt"(asked_journal) THEN
                -- The record says the same as its guarantee, in its third byte; and in its 40th that it has an input.
                UPDATE "idempotent"."records" AS r
                SET record = set_byte(r.record, 2, 3), guarantee = 3,
                    due_at = CASE WHEN get_byte(r.record, 39) & 8 <> 0 THEN clock_timestamp() END
                WHERE r.id = asked_id;
            END IF;
        END IF;
    END IF;

    is_written := EXISTS (
        SELECT FROM "idempotent"."records_steps" AS s
        WHERE s.journal = asked_journal AND s.step = asked_step AND s.entry = asked_entry
    );
END
$$;

-- Ends a run that is not completed. A reservation without a journal is released, or abandoned with a record of its own;
-- of what was resumed, a release only ends the lease. What waits for its steps in doubt does not if there are none: their
-- late owners may have been first.
CREATE OR REPLACE FUNCTION "idempotent"."records_suspend"(
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
    old         "idempotent"."records";
    is_waiting  boolean;
    has_settled boolean;
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

        is_waiting := coalesce(old.journal <> '' AND asked_guarantee = 4, false);
        has_settled := false;
        IF is_waiting THEN
            has_settled := NOT "idempotent"."records_is_in_doubt"(old.journal);
        END IF;

        UPDATE "idempotent"."records" AS r
        SET record = CASE WHEN has_settled THEN set_byte(asked_record, 2, 3)
                WHEN old.journal <> '' THEN asked_record ELSE coalesce(asked_plain, r.record) END,
            guarantee = CASE WHEN has_settled THEN 3
                WHEN old.journal <> '' THEN asked_guarantee
                ELSE coalesce(asked_plain_guarantee, r.guarantee) END,
            lapses_at = CASE WHEN asked_ends_lease
                THEN least(r.lapses_at, clock_timestamp()) ELSE r.lapses_at END,
            due_at = CASE WHEN NOT has_settled THEN clock_timestamp() + asked_due * interval '1 microsecond'
                WHEN get_byte(asked_record, 39) & 8 <> 0 THEN clock_timestamp() END
        WHERE r.id = asked_id;
    END IF;
    IF old.awaited THEN
        PERFORM pg_notify(asked_channel, 'd' || encode(asked_id, 'hex'));
    END IF;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (7);
