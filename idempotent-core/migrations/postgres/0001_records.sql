-- The records of calls, one row each.
--
-- Whoever runs these files with a tool of their own runs all of them, in their order, once each, in a
-- transaction each: they say in "records_migrations" that they ran, which is also how
-- PostgresStore::migrate knows. The schema "idempotent" and the prefix "records" are the defaults; a
-- store under other names writes them into these texts.

DO $$
BEGIN
    IF to_regnamespace('"idempotent"') IS NULL THEN
        CREATE SCHEMA "idempotent";
    END IF;
END
$$;

CREATE TABLE "idempotent"."records_migrations" (
    version    integer     PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A row is reserved while expires_at is null, and completed from then on. What a reservation means
-- once lapses_at is over, its guarantee says: 0, at least once: the id is vacant; else: nobody knows
-- whether the effect happened, until the retention is over too. Never infinite: times are subtracted.
CREATE TABLE "idempotent"."records" (
    lapses_at  timestamptz,
    expires_at timestamptz,
    retention  interval NOT NULL,
    guarantee  smallint NOT NULL,
    awaited    boolean  NOT NULL DEFAULT false,
    id         bytea    NOT NULL,
    token      bytea    NOT NULL,
    operation  text     NOT NULL,
    record     bytea    NOT NULL,
    xact       xid8,
    CONSTRAINT "records_pkey" PRIMARY KEY (id)
    -- No constraint that one of lapses_at and expires_at is null: each statement that writes would
    -- parse it anew.
);

COMMENT ON COLUMN "idempotent"."records".lapses_at IS
    'reserved: when the lease of the call that runs ends, unless it is renewed';
COMMENT ON COLUMN "idempotent"."records".expires_at IS
    'completed: when the result is forgotten; null while reserved';
COMMENT ON COLUMN "idempotent"."records".retention IS
    'how long a reservation stays after it lapsed, unless another call takes the id';
COMMENT ON COLUMN "idempotent"."records".guarantee IS
    'what a lapse means: 0 the id is vacant; 1 at most once, 2 exactly once: it waits to be resolved';
COMMENT ON COLUMN "idempotent"."records".awaited IS
    'reserved: somebody wants to be notified when the call ends';
COMMENT ON COLUMN "idempotent"."records".record IS
    'opaque: the envelope and the result of the call';
COMMENT ON COLUMN "idempotent"."records".xact IS
    'the transaction within which the call runs; null otherwise, and so in every row that others see';

-- From when on an id counts as vacant.
CREATE FUNCTION "idempotent"."records_vacant_at"(
    lapses_at timestamptz, expires_at timestamptz, retention interval, guarantee smallint
) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN expires_at IS NOT NULL THEN expires_at
        WHEN guarantee = 0 THEN lapses_at
        ELSE lapses_at + retention
    END
$$;

-- Reserves an id for which no result is kept, or tells what stands there. Only whoever finds the id
-- vacant writes. Each statement sees what was committed before it: what changes between two of them
-- is seen by the next turn.
CREATE FUNCTION "idempotent"."records_take"(
    asked_id        bytea,
    asked_operation text,
    asked_token     bytea,
    asked_guarantee smallint,
    asked_record    bytea,
    -- Both in microseconds.
    asked_lease     bigint,
    asked_retention bigint,
    -- What stands there; null: won.
    OUT recorded  bytea,
    OUT lapse     interval,
    OUT gone      interval,
    -- Won: whether an indeterminate record was forgotten for it.
    OUT forgotten boolean
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old    "idempotent"."records";
    moment timestamptz;
BEGIN
    FOR look IN 1..100 LOOP
        INSERT INTO "idempotent"."records"
            (lapses_at, retention, guarantee, awaited, id, token, operation, record)
        VALUES
            (clock_timestamp() + asked_lease * interval '1 microsecond',
             asked_retention * interval '1 microsecond',
             asked_guarantee, false, asked_id, asked_token, asked_operation, asked_record)
        ON CONFLICT (id) DO NOTHING;
        IF FOUND THEN
            forgotten := false;
            RETURN;
        END IF;

        SELECT * INTO old FROM "idempotent"."records" WHERE id = asked_id;
        moment := clock_timestamp();
        CONTINUE WHEN old.id IS NULL;
        IF "idempotent"."records_vacant_at"(
            old.lapses_at, old.expires_at, old.retention, old.guarantee
        ) > moment THEN
            recorded := old.record;
            lapse := old.lapses_at - moment;
            gone := coalesce(old.expires_at, old.lapses_at + old.retention) - moment;
            RETURN;
        END IF;

        UPDATE "idempotent"."records" SET
            lapses_at = clock_timestamp() + asked_lease * interval '1 microsecond',
            expires_at = NULL, retention = asked_retention * interval '1 microsecond',
            guarantee = asked_guarantee, awaited = false, token = asked_token,
            operation = asked_operation, record = asked_record
        WHERE id = asked_id AND token = old.token
            AND lapses_at IS NOT DISTINCT FROM old.lapses_at
            AND expires_at IS NOT DISTINCT FROM old.expires_at;
        IF FOUND THEN
            forgotten := old.expires_at IS NULL AND old.guarantee <> 0;
            RETURN;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'the record of this id changes faster than it can be reserved'
        USING ERRCODE = 'serialization_failure';
END
$$;

-- For the sweeper.
CREATE INDEX "records_expiry" ON "idempotent"."records" (expires_at)
    WHERE expires_at IS NOT NULL;

-- For the sweeper, and for scans of what runs, lapsed or is indeterminate. Renewing a lease changes
-- no indexed column.
CREATE INDEX "records_unfinished" ON "idempotent"."records" (id)
    WHERE expires_at IS NULL AND xact IS NULL;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (1);
