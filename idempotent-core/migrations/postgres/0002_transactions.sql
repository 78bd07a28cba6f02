-- Calls within transactions of their callers: reserved, run and recorded before anybody sees any of it.

-- Reserves an id for which no result is kept, or tells what stands there, after waiting for a duplicate.
-- Who runs the body is decided by a lock on the id that lasts as long as the transaction: a duplicate is
-- refused at once, or waits for it, and then looks. The row itself is decided by compare and set, since
-- calls without a transaction of their caller's take no such lock.
--
-- stands: 0 the id is won, 1 another transaction runs, 2 reserved, 3 indeterminate, 4 completed.
CREATE FUNCTION "idempotent"."records_join"(
    asked_id        bytea,
    asked_token     bytea,
    asked_operation text,
    asked_record    bytea,
    asked_retention interval,
    asked_lock      bigint,
    -- Milliseconds; null refuses at once.
    asked_wait      integer,
    OUT stands    smallint,
    OUT recorded  bytea,
    -- Microseconds.
    OUT remaining bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old      "idempotent"."records";
    moment   timestamptz;
    patience text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(asked_lock) THEN
        IF asked_wait IS NULL THEN
            stands := 1;
            RETURN;
        END IF;
        patience := current_setting('lock_timeout');
        BEGIN
            PERFORM set_config('lock_timeout', asked_wait::text, true);
            PERFORM pg_advisory_xact_lock(asked_lock);
            PERFORM set_config('lock_timeout', patience, true);
        EXCEPTION WHEN lock_not_available THEN
            -- The setting is as it was, and the transaction goes on.
            stands := 1;
            RETURN;
        END;
    END IF;

    FOR look IN 1..100 LOOP
        SELECT * INTO old FROM "idempotent"."records" WHERE id = asked_id;
        moment := clock_timestamp();
        IF old.id IS NULL THEN
            INSERT INTO "idempotent"."records"
                (lapses_at, retention, guarantee, id, token, operation, record, xact)
            VALUES
                (moment, asked_retention, 2, asked_id, asked_token, asked_operation, asked_record,
                 pg_current_xact_id())
            ON CONFLICT (id) DO NOTHING;
        ELSIF old.expires_at > moment THEN
            stands := 4;
            remaining := extract(epoch FROM old.expires_at - moment) * 1000000;
        ELSIF old.xact = pg_current_xact_id() THEN
            stands := 2;
        ELSIF old.lapses_at > moment THEN
            stands := 2;
            remaining := extract(epoch FROM old.lapses_at - moment) * 1000000;
        ELSIF old.guarantee <> 0 AND old.lapses_at + old.retention > moment THEN
            stands := 3;
            remaining := extract(epoch FROM old.lapses_at + old.retention - moment) * 1000000;
        ELSE
            UPDATE "idempotent"."records" SET
                lapses_at = moment, expires_at = NULL, retention = asked_retention, guarantee = 2,
                awaited = false, token = asked_token, operation = asked_operation,
                record = asked_record, xact = pg_current_xact_id()
            WHERE id = asked_id AND token = old.token
                AND lapses_at IS NOT DISTINCT FROM old.lapses_at
                AND expires_at IS NOT DISTINCT FROM old.expires_at;
        END IF;
        IF stands IS NOT NULL THEN
            recorded := old.record;
            RETURN;
        ELSIF FOUND THEN
            stands := 0;
            RETURN;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'the record of this id changes faster than it can be reserved'
        USING ERRCODE = 'serialization_failure';
END
$$;

-- The same, for the statement that has looked for a result and found none. Nearly always nobody else is
-- there, and nothing stands: that is won by an insert alone, with as little of this language as can be,
-- whose every expression is made ready anew in each transaction.
CREATE FUNCTION "idempotent"."records_reserve"(
    asked_id        bytea,
    asked_token     bytea,
    asked_operation text,
    asked_record    bytea,
    asked_retention interval,
    asked_lock      bigint,
    asked_wait      integer,
    OUT stands    smallint,
    OUT recorded  bytea,
    OUT remaining bigint
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_try_advisory_xact_lock(asked_lock) THEN
        INSERT INTO "idempotent"."records"
            (lapses_at, retention, guarantee, id, token, operation, record, xact)
        VALUES
            (clock_timestamp(), asked_retention, 2, asked_id, asked_token, asked_operation,
             asked_record, pg_current_xact_id())
        ON CONFLICT (id) DO NOTHING;
        IF FOUND THEN
            stands := 0;
            RETURN;
        END IF;
    END IF;
    SELECT * INTO stands, recorded, remaining FROM "idempotent"."records_join"(
        asked_id, asked_token, asked_operation, asked_record, asked_retention, asked_lock, asked_wait);
END
$$;

-- Stays empty.
CREATE TABLE "idempotent"."records_never" (
    operation text,
    xact      xid8,
    PRIMARY KEY (operation, xact)
);

-- At the commit: a call that has not ended by then was dropped, and must leave nothing. Until it ends, its
-- row points at one that is not there. A trigger of our own could refuse it in better words, but would cost
-- each call as much as its reservation does; this check passes over rows that were changed or deleted since,
-- and looks at no table for them.
ALTER TABLE "idempotent"."records" ADD CONSTRAINT idempotent_call_dropped_half_way
    FOREIGN KEY (operation, xact) REFERENCES "idempotent"."records_never" (operation, xact)
    DEFERRABLE INITIALLY DEFERRED;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (2);
