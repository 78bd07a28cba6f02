-- Who suspends a call may fence its owner: the token of the row is that of the record that is written, from its fifth byte
-- on. Builds from before this send records of the owner's token, so that nothing changes for them.

-- Ends a run that is not completed. A reservation without a journal is released, or abandoned with a record of its own;
-- of what was resumed, a release only ends the lease.
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
        SET token = CASE WHEN old.journal <> '' THEN substring(asked_record FROM 5 FOR 16) ELSE r.token END,
            record = CASE WHEN has_settled THEN set_byte(asked_record, 2, 3)
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

INSERT INTO "idempotent"."records_migrations" (version) VALUES (9);
