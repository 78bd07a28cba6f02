-- Whom a record counts for: so that the records of one scope can be counted.

ALTER TABLE "idempotent"."records" ADD COLUMN scope bytea;

COMMENT ON COLUMN "idempotent"."records".scope IS
    'a hash of the tenant or user that the record counts for; null if records are not counted by scope';

-- For counting. Neither renewing a lease nor completing a record changes it.
CREATE INDEX "records_scope" ON "idempotent"."records" (scope) WHERE scope IS NOT NULL;

-- As the one with an argument less, which processes of an older release still call.
CREATE FUNCTION "idempotent"."records_take"(
    asked_id        bytea,
    asked_operation text,
    asked_token     bytea,
    asked_guarantee smallint,
    asked_record    bytea,
    -- Both in microseconds.
    asked_lease     bigint,
    asked_retention bigint,
    -- Null: it counts for nobody.
    asked_scope     bytea,
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
            (lapses_at, retention, guarantee, awaited, id, token, operation, record, scope)
        VALUES
            (clock_timestamp() + asked_lease * interval '1 microsecond',
             asked_retention * interval '1 microsecond',
             asked_guarantee, false, asked_id, asked_token, asked_operation, asked_record,
             asked_scope)
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
            operation = asked_operation, record = asked_record, scope = asked_scope
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

INSERT INTO "idempotent"."records_migrations" (version) VALUES (4);
