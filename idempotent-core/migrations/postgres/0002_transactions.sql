-- Calls within transactions of their callers: reserved, run and recorded before anybody sees any of it.

-- Reserves an id for which no result is kept, which the statement that calls this has looked for, so that
-- a replay takes no lock. Who runs the body is decided by a lock on the id that lasts as long as the
-- transaction: a duplicate is refused at once, or waits for it, and then looks. The row itself is decided
-- by compare and set, since calls without a transaction of their caller's take no such lock.
--
-- stands: 0 the id is won, 1 another transaction runs, 2 reserved, 3 indeterminate, 4 completed.
CREATE FUNCTION "idempotent"."records_reserve"(
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
    OUT remaining bigint,
    -- Whether all statements of this transaction see one moment.
    OUT snapshot  boolean
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old      "idempotent"."records";
    moment   timestamptz;
    patience text;
    lock     bigint := asked_lock # ('"idempotent"."records"'::regclass::oid::bigint << 32);
BEGIN
    snapshot := current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted');
    IF NOT pg_try_advisory_xact_lock(lock) THEN
        IF asked_wait IS NULL THEN
            stands := 1;
            RETURN;
        END IF;
        patience := current_setting('lock_timeout');
        BEGIN
            PERFORM set_config('lock_timeout', asked_wait::text, true);
            PERFORM pg_advisory_xact_lock(lock);
            PERFORM set_config('lock_timeout', patience, true);
        EXCEPTION WHEN lock_not_available THEN
            -- The setting is as it was, and the transaction goes on.
            stands := 1;
            RETURN;
        END;
    END IF;

    FOR look IN 1..100 LOOP
        -- That nothing stands there, as in most cases, the first turn finds out by the insert itself.
        IF look > 1 THEN
            SELECT * INTO old FROM "idempotent"."records" WHERE id = asked_id;
        END IF;
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

CREATE FUNCTION "idempotent"."records_refuse_unfinished"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A caller may have set all constraints to be checked at once: then the call has only begun. The row
    -- says that it is to be looked at again, so that it is looked at twice at most.
    IF NOT NEW.awaited AND position('"idempotent"."records_reserve"' IN current_query()) > 0 THEN
        SET CONSTRAINTS "idempotent"."records_unfinished_call" DEFERRED;
        UPDATE "idempotent"."records" SET awaited = true
        WHERE id = NEW.id AND token = NEW.token AND expires_at IS NULL;
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM "idempotent"."records"
        WHERE id = NEW.id AND token = NEW.token AND expires_at IS NULL
    ) THEN
        RAISE EXCEPTION 'an idempotent call of % has not ended in this transaction', NEW.operation
            USING ERRCODE = 'IDMP1',
            DETAIL = 'It was dropped half way, by a timeout or a client that hung up, or it panicked: '
                'half of its effect may be here. Or no transaction has begun on this connection.',
            HINT = 'Roll the transaction back, and make the call again in another one.';
    END IF;
    RETURN NULL;
END
$$;

-- At the commit: a call that has not ended by then was dropped, and must leave nothing.
CREATE CONSTRAINT TRIGGER "records_unfinished_call"
    AFTER INSERT OR UPDATE ON "idempotent"."records"
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.xact IS NOT NULL)
    EXECUTE FUNCTION "idempotent"."records_refuse_unfinished"();

INSERT INTO "idempotent"."records_migrations" (version) VALUES (2);
