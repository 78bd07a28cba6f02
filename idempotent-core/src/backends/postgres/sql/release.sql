-- Makes an id vacant. $1 id, $2 token, $3 whether an indeterminate record may go too, $4 channel.
DELETE FROM "idempotent"."records" AS r
WHERE {autocommit} AND r.id = $1 AND r.token = $2 AND r.expires_at IS NULL AND r.journal IS NULL
    AND ($3 OR r.guarantee = 0 OR r.lapses_at > clock_timestamp())
RETURNING CASE WHEN r.awaited THEN pg_notify($4, 'd' || encode(r.id, 'hex')) IS NULL END
