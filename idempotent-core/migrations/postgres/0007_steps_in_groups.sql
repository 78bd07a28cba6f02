-- Steps of calls in the statements of many calls: they commit together with reservations and results.

-- Changes records as the function of that name does, and then writes steps, as the one that writes a single step does.
-- Answers a row for each that it took, and for a step one with the step in the place of the id. The others are for the
-- statements of one step, which wait, and say what is in the way. A step is there once; its call may be there with other
-- steps, and with a change, which comes first.
--
-- Nothing here waits for another group: the row of a reservation is locked only if nobody has locked it, and whoever
-- writes to a journal has locked the row of its reservation. It stays locked until all is committed: without that,
-- whoever takes the call meanwhile would not see a step that its late owner still commits.
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
    own   bytea[];
    fresh bytea[];
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
        array_agg(l.step) FILTER (WHERE l.is_fresh)
    INTO own, fresh
    FROM (
        SELECT m.step, r.journal = m.journal AS is_own,
            -- What it is to replace stands in no new journal.
            coalesce(r.journal, '') = '' AND m.mode <> 2 AS is_fresh
        FROM unnest(steps_ids, steps_tokens, steps_journals, steps_steps, steps_modes, steps_begin)
            AS m(id, token, journal, step, mode, begins)
        JOIN "idempotent"."records" AS r ON r.id = m.id AND r.token = m.token
        WHERE r.expires_at IS NULL AND (NOT m.begins OR r.lapses_at > clock_timestamp())
        FOR UPDATE OF r SKIP LOCKED
    ) AS l;

    IF fresh IS NOT NULL THEN
        UPDATE "idempotent"."records" AS r
        SET record = m.record, guarantee = m.guarantee, journal = m.journal,
            retention = m.retention * interval '1 microsecond',
            due_at = CASE WHEN r.guarantee = 3 THEN r.due_at END
        FROM unnest(
            steps_ids, steps_records, steps_guarantees, steps_retentions, steps_journals, steps_steps
        ) AS m(id, record, guarantee, retention, journal, step)
        WHERE m.step = ANY (fresh) AND r.id = m.id;
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
    IF 2 = ANY (steps_modes) THEN
        RETURN QUERY
        UPDATE "idempotent"."records_steps" AS s SET entry = m.entry
        FROM unnest(steps_journals, steps_steps, steps_entries, steps_modes, steps_replaced)
            AS m(journal, step, entry, mode, replaced)
        WHERE m.mode = 2 AND m.step = ANY (own)
            AND s.journal = m.journal AND s.step = m.step AND s.entry = m.replaced
        RETURNING s.step, NULL::bytea, NULL::interval, NULL::interval, false;
    END IF;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (7);
