-- Calls that commit together: steps of many calls in one statement.

-- Takes each step that it can take without waiting for the transactions of callers, and answers a row for
-- each that it took. The others are for the statements of one step, which wait. An id is there once.
--
-- Two groups never wait for each other in a circle: only the insert waits, it comes first, and it inserts in
-- the order of the ids, so whoever waits holds nothing but smaller ids. What comes after it locks only what
-- nobody has locked. A call within a transaction of its caller holds a lock on its id, from before it inserts
-- until it commits: who finds it held does not insert.
--
-- Each statement has to see what was committed before it. At other levels than read committed it does not,
-- and a row of nulls says so.
--
-- Nobody who knows of no journal releases or abandons a reservation that has one.
CREATE FUNCTION "idempotent"."records_change"(
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
                lapses_at = NULL,
                due_at = NULL
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
