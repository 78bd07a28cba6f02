-- As scan.sql, and only those that are not completed, which have an index of their own.
-- Some of the records, by id. $1 after which id, $2 how many to look at, $3 how many to give at most,
-- $4 only those of this operation (null: of any), and whether to give those that are $5 reserved,
-- $6 lapsed, $7 indeterminate, $8 completed. $9 whether to leave out suspended calls without a step in doubt; an entry
-- that this version cannot read is one, and a journal that is lost.
-- Answers the records with their ids and operations, as load.sql does; after them the last id that was
-- looked at with two nulls, if there may be more.
WITH looked AS MATERIALIZED (
    SELECT r.id, r.operation, r.guarantee, r.expires_at, r.journal,
    r.lapses_at > clock_timestamp() AS runs,
    r.record,
    r.lapses_at - clock_timestamp() AS lapse,
    coalesce(r.expires_at, r.lapses_at + r.retention) - clock_timestamp() AS gone
    FROM "idempotent"."records" AS r
    WHERE {autocommit} AND r.id > $1 AND r.expires_at IS NULL AND r.xact IS NULL
    ORDER BY r.id
    LIMIT $2
)
(
    SELECT id, operation, record, lapse, gone
    FROM looked
    WHERE ($4::text IS NULL OR operation = $4)
        AND CASE WHEN expires_at IS NOT NULL THEN $8 WHEN runs THEN $5 WHEN guarantee = 0 THEN $6
            ELSE $7 END
        AND (NOT $9::boolean OR guarantee <> 3 OR coalesce(looked.journal, '') = '' OR EXISTS (
            SELECT FROM "idempotent"."records_steps" AS s
            WHERE s.journal = looked.journal AND (
                get_byte(s.entry, 1) = 0 OR get_byte(s.entry, 0) <> 1 OR get_byte(s.entry, 2) > 15
                OR get_byte(s.entry, 1) > 6 AND get_byte(s.entry, 1) <> 128
            )
        ) OR NOT EXISTS (SELECT FROM "idempotent"."records_steps" AS s WHERE s.journal = looked.journal))
    ORDER BY id
    LIMIT $3
)
UNION ALL
(
    SELECT id, NULL, NULL, NULL, NULL
    FROM looked
    WHERE (SELECT count(*) FROM looked) >= $2
    ORDER BY id DESC
    LIMIT 1
)
