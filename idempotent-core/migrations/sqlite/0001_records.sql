-- The records of calls, one row each, and the purges that other processes are to hear of.
--
-- Whoever runs these files with a tool of their own runs all of them, in their order, once each, in a
-- transaction each: they say in "idempotent_records_migrations" that they ran, which is also how
-- SqliteStore knows. The prefix "idempotent_records" is the default; a store under another name
-- writes that into these texts.

CREATE TABLE "idempotent_records_migrations" (
    version    INTEGER NOT NULL PRIMARY KEY,
    applied_at TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

-- A row is reserved while expires_at is null, and completed from then on. What a reservation means
-- once lapses_at is over, its guarantee says: 0, at least once: the id is vacant; else: nobody knows
-- whether the effect happened, until the retention is over too. Times are milliseconds since 1970,
-- durations milliseconds. The record comes last: what is read before it need not read past it.
CREATE TABLE "idempotent_records" (
    id         BLOB    NOT NULL,
    token      BLOB    NOT NULL,
    guarantee  INTEGER NOT NULL,
    lapses_at  INTEGER,
    retention  INTEGER NOT NULL,
    expires_at INTEGER,
    operation  TEXT    NOT NULL,
    record     BLOB    NOT NULL,
    CONSTRAINT "idempotent_records_pkey" PRIMARY KEY (id),
    CONSTRAINT "idempotent_records_state" CHECK ((lapses_at IS NULL) = (expires_at IS NOT NULL))
) STRICT;

-- For the sweeper.
CREATE INDEX "idempotent_records_expiry" ON "idempotent_records" (expires_at)
    WHERE expires_at IS NOT NULL;

-- For the sweeper, and for scans of what runs, lapsed or is indeterminate. Renewing a lease changes
-- no indexed column.
CREATE INDEX "idempotent_records_unfinished" ON "idempotent_records" (id)
    WHERE expires_at IS NULL;

-- Numbered without a gap, and the last one stays, so that who was away can tell what they missed.
CREATE TABLE "idempotent_records_purges" (
    number    INTEGER NOT NULL PRIMARY KEY,
    id        BLOB    NOT NULL,
    purged_at INTEGER NOT NULL
) STRICT;

INSERT INTO "idempotent_records_migrations" (version) VALUES (1);
