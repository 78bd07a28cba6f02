-- The outbox: messages that wait for a relay, a key's in the order in which they were published.

CREATE TABLE "idempotent"."records_outbox" (
    number        bigint      GENERATED ALWAYS AS IDENTITY,
    id            uuid        NOT NULL,
    topic         text        NOT NULL,
    key           text        COLLATE "C" NOT NULL,
    payload       bytea       NOT NULL,
    header_names  text[]      NOT NULL,
    header_values text[]      NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts      integer     NOT NULL DEFAULT 0,
    refusals      integer     NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL DEFAULT '-infinity',
    error         text,
    parked_at     timestamptz,
    CONSTRAINT "records_outbox_pkey" PRIMARY KEY (number),
    CONSTRAINT "records_outbox_names" CHECK (topic <> '' AND key <> '' AND octet_length(key) <= 512)
);

COMMENT ON COLUMN "idempotent"."records_outbox".due_at IS
    'of the first message of a key: when it is tried again';
COMMENT ON COLUMN "idempotent"."records_outbox".refusals IS
    'how many of the attempts the broker answered with a refusal of this very message';
COMMENT ON COLUMN "idempotent"."records_outbox".parked_at IS
    'when it was put aside, for somebody to retry or to discard';

-- A queue depends on its dead rows being cleared away by their number, not by the size of the table.
ALTER TABLE "idempotent"."records_outbox"
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- For the relays, which step from key to key.
CREATE INDEX "records_outbox_pending" ON "idempotent"."records_outbox" (key, number)
    WHERE parked_at IS NULL;

CREATE INDEX "records_outbox_parked" ON "idempotent"."records_outbox" (number)
    WHERE parked_at IS NOT NULL;

-- Publishes a message. Numbers are drawn in one order and transactions commit in another: so whoever
-- publishes under a key holds it until its transaction has ended, and draws a number only then.
CREATE FUNCTION "idempotent"."records_publish"(
    message_id      uuid,
    message_topic   text,
    message_key     text,
    message_payload bytea,
    names           text[] DEFAULT '{}',
    contents        text[] DEFAULT '{}'
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    drawn bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(
        message_key, '"idempotent"."records_outbox"'::regclass::oid::bigint
    ));
    INSERT INTO "idempotent"."records_outbox"
        (id, topic, key, payload, header_names, header_values)
    VALUES
        (message_id, message_topic, message_key, message_payload, names, contents)
    RETURNING number INTO drawn;
    RETURN drawn;
END
$$;

INSERT INTO "idempotent"."records_migrations" (version) VALUES (3);
