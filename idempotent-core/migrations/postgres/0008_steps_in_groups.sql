-- Steps of calls in the statements of many calls: they commit together with reservations and results.

-- The function of version 6, with plans that stay right. A plan that was made for an almost empty table may join the
-- members by reading a whole index, and then does so for ever. A subquery that locks is not merged into the query around
-- it, so each row is looked up by its id; and a statement that changes rows joins nothing, so it can only look for ids.
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
                (lapses_at, retention, guarantee, awaited, id, token, operation, record, scope, due_at)
            SELECT clock_timestamp() + m.time * interval '1 microsecond',
                m.retention * interval '1 microsecond',
                m.guarantee, false, m.id, m.token, m.operation, m.record, m.scope,
                CASE WHEN m.guarantee = 3 THEN clock_timestamp() + m.time * interval '1 microsecond' END
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
                IF member.guarantee = 3 AND recorded IS NULL THEN
                    PERFORM "idempotent"."records_set_due"(member.id, member.token);
                END IF;
                RETURN NEXT;
            END LOOP;
        END IF;
    END IF;

    IF 0 <> ANY (asked_kinds) THEN
        locked := ARRAY(
            SELECT m.id
            FROM unnest(asked_kinds, asked_ids, asked_tokens) AS m(kind, id, token)
            CROSS JOIN LATERAL (
                SELECT FROM "idempotent"."records" AS r
                WHERE r.id = m.id AND r.token = m.token AND r.expires_at IS NULL
                    AND (r.journal IS NULL OR m.kind NOT IN (2, 4))
                FOR UPDATE SKIP LOCKED
            ) AS r
            WHERE m.kind <> 0
        );
        IF 1 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET record = asked_records[array_position(asked_ids, r.id)],
                expires_at = clock_timestamp() + asked_times[array_position(asked_ids, r.id)] * interval '1 microsecond',
                lapses_at = NULL,
                due_at = NULL
            WHERE r.id = ANY (locked) AND asked_kinds[array_position(asked_ids, r.id)] = 1
                AND (asked_flags[array_position(asked_ids, r.id)] OR r.lapses_at + r.retention > clock_timestamp())
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
        IF 2 = ANY (asked_kinds) THEN
            RETURN QUERY
            DELETE FROM "idempotent"."records" AS r
            WHERE r.id = ANY (locked) AND asked_kinds[array_position(asked_ids, r.id)] = 2
                AND (asked_flags[array_position(asked_ids, r.id)] OR r.guarantee = 0 OR r.lapses_at > clock_timestamp())
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
        IF 3 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET lapses_at = clock_timestamp() + asked_times[array_position(asked_ids, r.id)] * interval '1 microsecond'
            WHERE r.id = ANY (locked) AND asked_kinds[array_position(asked_ids, r.id)] = 3
                AND r.lapses_at > clock_timestamp()
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval, false;
        END IF;
        IF 4 = ANY (asked_kinds) THEN
            RETURN QUERY
            UPDATE "idempotent"."records" AS r
            SET record = asked_records[array_position(asked_ids, r.id)],
                guarantee = asked_guarantees[array_position(asked_ids, r.id)],
                lapses_at = CASE
                    WHEN asked_flags[array_position(asked_ids, r.id)] THEN least(r.lapses_at, clock_timestamp())
                    ELSE r.lapses_at
                END
            WHERE r.id = ANY (locked) AND asked_kinds[array_position(asked_ids, r.id)] = 4
            RETURNING r.id, NULL::bytea, NULL::interval, NULL::interval,
                CASE WHEN r.awaited
                    THEN pg_notify(asked_channel, 'd' || encode(r.id, 'hex')) IS NULL
                    ELSE false
                END;
        END IF;
    END IF;
END
$$;

-- Changes records as the function of that name does, and then writes steps, as the one that writes a single step does.
-- Returns a row for each change and each step that it took; a step's row has the step in place of the id. What is not
-- returned has to be sent by itself. Each step occurs once; several may belong to one call, and the call's record may
-- change in the same group: that happens first.
--
-- Once a row of a reservation is locked nothing waits: each is locked only if nobody has locked it, and whoever writes
-- to a journal has locked the row of its reservation. It stays locked until all is committed: without that, whoever
-- takes the call meanwhile would not see a step that its late owner still commits.
CREATE FUNCTION "idempotent"."records_change_with_steps"(
    asked_kinds      smallint[],
    asked_ids        bytea[],
    asked_tokens     bytea[],
    asked_operations text[],
    asked_guarantees smallint[],
    asked_records    bytea[],
    asked_times      bigint[],
    asked_retentions bigint[],
    asked_scopes     bytea[],
    asked_flags      boolean[],
    asked_locks      bigint[],
    asked_patience   integer,
    asked_channel    text,
    -- Of each step: its call, and the token of the run.
    steps_ids        bytea[],
    steps_tokens     bytea[],
    -- The reservation with the journal, for one that has none yet.
    steps_records    bytea[],
    steps_guarantees smallint[],
    -- In microseconds.
    steps_retentions bigint[],
    steps_journals   bytea[],
    steps_steps      bytea[],
    steps_entries    bytea[],
    -- 0 nothing may stand there, 1 anything, 2 exactly the replaced one.
    steps_modes      smallint[],
    steps_replaced   bytea[],
    -- Whether the lease must last.
    steps_begin      boolean[],
    -- Entries to be written where none stand, each with one of the steps above.
    others_with      bytea[],
    others_journals  bytea[],
    others_steps     bytea[],
    others_entries   bytea[]
) RETURNS TABLE (
    changed_id bytea,
    recorded   bytea,
    lapse      interval,
    gone       interval,
    forgotten  boolean
) LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    own    bytea[];
    -- The calls that get a journal, and where the step is that brings it.
    marked bytea[];
    places bigint[];
    member record;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF asked_kinds = '{}' THEN
        PERFORM set_config('lock_timeout', asked_patience::text, true);
    ELSE
        RETURN QUERY
        SELECT c.changed_id, c.recorded, c.lapse, c.gone, c.forgotten
        FROM "idempotent"."records_change"(
            asked_kinds, asked_ids, asked_tokens, asked_operations, asked_guarantees, asked_records,
            asked_times, asked_retentions, asked_scopes, asked_flags, asked_locks, asked_patience,
            asked_channel
        ) AS c;
    END IF;

    -- By step, and not by call: another run of the same call may be among them, or a step that begins too late.
    SELECT array_agg(l.step) FILTER (WHERE l.is_own OR l.is_fresh),
        array_agg(l.id) FILTER (WHERE l.is_fresh), array_agg(l.place) FILTER (WHERE l.is_fresh)
    INTO own, marked, places
    FROM (
        SELECT m.step, m.id, m.place, r.journal = m.journal AS is_own,
            -- What it is to replace stands in no new journal.
            coalesce(r.journal, '') = '' AND m.mode <> 2 AS is_fresh
        FROM unnest(steps_ids, steps_tokens, steps_journals, steps_steps, steps_modes, steps_begin)
            WITH ORDINALITY AS m(id, token, journal, step, mode, begins, place)
        CROSS JOIN LATERAL (
            SELECT r.journal FROM "idempotent"."records" AS r
            WHERE r.id = m.id AND r.token = m.token AND r.expires_at IS NULL
                AND (NOT m.begins OR r.lapses_at > clock_timestamp())
                -- Who settles a step that its call waits for may have the call go on, which the function for one step does.
                AND (r.guarantee <> 4 OR m.mode <> 2)
            FOR UPDATE SKIP LOCKED
        ) AS r
    ) AS l;

    IF marked IS NOT NULL THEN
        UPDATE "idempotent"."records" AS r
        SET record = steps_records[places[array_position(marked, r.id)]],
            guarantee = steps_guarantees[places[array_position(marked, r.id)]],
            journal = steps_journals[places[array_position(marked, r.id)]],
            retention = steps_retentions[places[array_position(marked, r.id)]] * interval '1 microsecond',
            due_at = CASE WHEN r.guarantee = 3 THEN r.due_at END
        WHERE r.id = ANY (marked);
    END IF;
    IF others_steps <> '{}' THEN
        INSERT INTO "idempotent"."records_steps" (journal, step, entry)
        SELECT o.journal, o.step, o.entry
        FROM unnest(others_with, others_journals, others_steps, others_entries)
            AS o(with_step, journal, step, entry)
        WHERE o.with_step = ANY (own)
        ON CONFLICT (journal, step) DO NOTHING;
    END IF;
    IF 1 = ANY (steps_modes) THEN
        RETURN QUERY
        INSERT INTO "idempotent"."records_steps" AS s (journal, step, entry)
        SELECT m.journal, m.step, m.entry
        FROM unnest(steps_journals, steps_steps, steps_entries, steps_modes)
            AS m(journal, step, entry, mode)
        WHERE m.mode = 1 AND m.step = ANY (own)
        ON CONFLICT (journal, step) DO UPDATE SET entry = excluded.entry
        RETURNING s.step, NULL::bytea, NULL::interval, NULL::interval, false;
    END IF;
    IF 0 = ANY (steps_modes) THEN
        RETURN QUERY
        INSERT INTO "idempotent"."records_steps" AS s (journal, step, entry)
        SELECT m.journal, m.step, m.entry
        FROM unnest(steps_journals, steps_steps, steps_entries, steps_modes)
            AS m(journal, step, entry, mode)
        WHERE m.mode = 0 AND m.step = ANY (own)
        ON CONFLICT (journal, step) DO NOTHING
        RETURNING s.step, NULL::bytea, NULL::interval, NULL::interval, false;
    END IF;
    FOR member IN
        SELECT m.*
        FROM unnest(steps_journals, steps_steps, steps_entries, steps_modes, steps_replaced)
            AS m(journal, step, entry, mode, replaced)
        WHERE m.mode = 2 AND m.step = ANY (own)
    LOOP
        UPDATE "idempotent"."records_steps" AS s SET entry = member.entry
        WHERE s.journal = member.journal AND s.step = member.step AND s.entry = member.replaced
        RETURNING s.step INTO changed_id;
        CONTINUE WHEN NOT FOUND;
        forgotten := false;
        RETURN NEXT;
    END LOOP;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (8);
