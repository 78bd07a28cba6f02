-- The steps of calls that have some, so that a run after a crash does not repeat them.

ALTER TABLE "idempotent"."records" ADD COLUMN journal bytea;

COMMENT ON COLUMN "idempotent"."records".journal IS
    'reserved: the name of the journal of its steps, if it has any; its guarantee is then 3 in the place of 0: once it has lapsed the call waits to be resumed';

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
        retention = asked_retention * interval '1 microsecond'
    WHERE r.id = asked_id AND r.token = asked_token AND r.expires_at IS NULL AND r.journal IS NULL
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

-- Ends a run that is not completed. A reservation without a journal is released, or abandoned with a record of its own.
CREATE FUNCTION "idempotent"."records_suspend"(
    asked_id          bytea,
    asked_token       bytea,
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
    asked_channel     text
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old "idempotent"."records";
BEGIN
    SELECT r.* INTO old FROM "idempotent"."records" AS r
    WHERE r.id = asked_id AND r.token = asked_token AND r.expires_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF old.journal IS NULL AND asked_plain IS NULL THEN
        DELETE FROM "idempotent"."records" AS r WHERE r.id = asked_id;
    ELSE
        UPDATE "idempotent"."records_steps" AS s SET entry = a.entry
        FROM unnest(asked_steps, asked_seen, asked_entries) AS a(step, seen, entry)
        WHERE s.journal = old.journal AND s.step = a.step AND s.entry = a.seen;

        UPDATE "idempotent"."records" AS r
        SET record = CASE WHEN old.journal IS NULL THEN asked_plain ELSE asked_record END,
            guarantee = CASE WHEN old.journal IS NULL THEN asked_plain_guarantee ELSE asked_guarantee END,
            lapses_at = CASE WHEN asked_ends_lease
                THEN least(r.lapses_at, clock_timestamp()) ELSE r.lapses_at END
        WHERE r.id = asked_id;
    END IF;
    IF old.awaited THEN
        PERFORM pg_notify(asked_channel, 'd' || encode(asked_id, 'hex'));
    END IF;
END
$$;

-- As before, and nobody who knows of no journal releases or abandons a reservation that has one.
CREATE OR REPLACE FUNCTION "idempotent"."records_change"(
    -- 0 reserve, 1 complete, 2 release, 3 renew, 4 abandon.
    asked_kinds      smallint[],
    asked_ids        bytea[],
    asked_tokens     bytea[],
    asked_operations text[],
    asked_guarantees smallint[],
    asked_records    bytea[],
    -- In microseconds: the lease, or how long a result is kept.
    asked_times      bigint[],
    asked_retentions bigint[],
    asked_scopes     bytea[],
    -- Complete: also if its retention is over. Release: also if indeterminate. Abandon: its lease ends now.
    asked_flags      boolean[],
    asked_locks      bigint[],
    -- Milliseconds that a lock may be waited for, at most.
    asked_patience   integer,
    asked_channel    text
) RETURNS TABLE (
    changed_id bytea,
    -- Reserve: as the function that takes one says it; else three nulls and false.
    recorded   bytea,
    lapse      interval,
    gone       interval,
    forgotten  boolean
) LANGUAGE plpgsql VOLATILE
-- The plans that are kept were made for a table that may have been empty, and for arrays of any length.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    held   bytea[];
    won    bytea[];
    locked bytea[];
    member record;
    old    "idempotent"."records";
    moment timestamptz;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- Until the end of the transaction, which this statement is all of.
    PERFORM set_config('lock_timeout', asked_patience::text, true);

    IF 0 = ANY (asked_kinds) THEN
        held := ARRAY(
            SELECT m.id
            FROM (
                SELECT a.id, pg_try_advisory_xact_lock_shared(
                    a.lock # ('"idempotent"."records"'::regclass::oid::bigint << 32)
                ) AS is_held
                FROM unnest(asked_kinds, asked_ids, asked_locks) AS a(kind, id, lock)
                WHERE a.kind = 0
            ) AS m
            WHERE m.is_held
        );
        WITH inserted AS (
            INSERT INTO "idempotent"."records" AS r
                (lapses_at, retention, guarantee, awaited, id, token, operation, record, scope)
            SELECT clock_timestamp() + m.time * interval '1 microsecond',
                m.retention * interval '1 microsecond',
                m.guarantee, false, m.id, m.token, m.operation, m.record, m.scope
            FROM unnest(
                asked_kinds, asked_ids, asked_tokens, asked_operations, asked_guarantees, asked_records,
                asked_times, asked_retentions, asked_scopes
            ) AS m(kind, id, token, operation, guarantee, record, time, retention, scope)
            WHERE m.kind = 0 AND m.id = ANY (held)
            ORDER BY m.id
            ON CONFLICT (id) DO NOTHING
            RETURNING r.id
        )
        SELECT array_agg(i.id) INTO won FROM inserted AS i;
        RETURN QUERY
            SELECT w.id, NULL::bytea, NULL::interval, NULL::interval, false FROM unnest(won) AS w(id);

        IF coalesce(cardinality(won), 0) < cardinality(held) THEN
            FOR member IN
                SELECT m.*
                FROM unnest(
                    asked_kinds, asked_ids, asked_tokens, asked_operations, asked_guarantees,
                    asked_records, asked_times, asked_retentions, asked_scopes
                ) AS m(kind, id, token, operation, guarantee, record, time, retention, scope)
                WHERE m.kind = 0 AND m.id = ANY (held) AND m.id <> ALL (coalesce(won, '{}'))
            LOOP
                SELECT r.* INTO old FROM "idempotent"."records" AS r WHERE r.id = member.id;
                CONTINUE WHEN NOT FOUND;
                moment := clock_timestamp();
                changed_id := member.id;
                IF "idempotent"."records_vacant_at"(
                    old.lapses_at, old.expires_at, old.retention, old.guarantee
                ) > moment THEN
                    recorded := old.record;
                    lapse := old.lapses_at - moment;
                    gone := coalesce(old.expires_at, old.lapses_at + old.retention) - moment;
                    forgotten := NULL;
                    RETURN NEXT;
                    CONTINUE;
                END IF;
                -- A row that nobody else has locked, and so one that cannot vanish: nothing below waits.
                PERFORM FROM "idempotent"."records" AS r WHERE r.id = member.id FOR UPDATE SKIP LOCKED;
                CONTINUE WHEN NOT FOUND;
                SELECT t.recorded, t.lapse, t.gone, t.forgotten
                INTO recorded, lapse, gone, forgotten
                FROM "idempotent"."records_take"(
                    member.id, member.operation, member.token, member.guarantee, member.record,
                    member.time, member.retention, member.scope
                ) AS t;
                RETURN NEXT;
            END LOOP;
        END IF;
    END IF;

    IF 0 <> ANY (asked_kinds) THEN
        locked := ARRAY(
            SELECT r.id
            FROM unnest(asked_kinds, asked_ids, asked_tokens) AS m(kind, id, token)
            JOIN "idempotent"."records" AS r ON r.id = m.id AND r.token = m.token
            WHERE m.kind <> 0 AND r.expires_at IS NULL
                AND (r.journal IS NULL OR m.kind NOT IN (2, 4))
            FOR UPDATE OF r SKIP LOCKED
        );
        IF 1 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET record = m.record,
                expires_at = clock_timestamp() + m.time * interval '1 microsecond',
                lapses_at = NULL
            FROM unnest(asked_kinds, asked_ids, asked_records, asked_times, asked_flags)
                AS m(kind, id, record, time, flag)
            WHERE m.kind = 1 AND m.id = ANY (locked) AND r.id = m.id
                AND (m.flag OR r.lapses_at + r.retention > clock_timestamp())
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
        IF 2 = ANY (asked_kinds) THEN
            RETURN QUERY
            DELETE FROM "idempotent"."records" AS r
            USING unnest(asked_kinds, asked_ids, asked_flags) AS m(kind, id, flag)
            WHERE m.kind = 2 AND m.id = ANY (locked) AND r.id = m.id
                AND (m.flag OR r.guarantee = 0 OR r.lapses_at > clock_timestamp())
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
        IF 3 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET lapses_at = clock_timestamp() + m.time * interval '1 microsecond'
            FROM unnest(asked_kinds, asked_ids, asked_times) AS m(kind, id, time)
            WHERE m.kind = 3 AND m.id = ANY (locked) AND r.id = m.id
                AND r.lapses_at > clock_timestamp()
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval, false;
        END IF;
        IF 4 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET record = m.record,
                guarantee = m.guarantee,
                lapses_at = CASE
                    WHEN m.flag THEN least(r.lapses_at, clock_timestamp())
                    ELSE r.lapses_at
                END
            FROM unnest(asked_kinds, asked_ids, asked_guarantees, asked_records, asked_flags)
                AS m(kind, id, guarantee, record, flag)
            WHERE m.kind = 4 AND m.id = ANY (locked) AND r.id = m.id
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
    END IF;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (6);
