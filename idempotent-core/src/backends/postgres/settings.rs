//! What the server says about itself, for tools.

use sqlx::Row as _;

use super::connection::Retry;
use super::error::store_error;
use super::inner::Inner;
use super::query::Query;
use crate::backends::shared::server_settings::ServerSettings;
use crate::store::StoreError;

/// Names and values, as texts. The settings are those that a new session has, whatever the store's own has set. Of roles and
/// databases these are `role name of database name: setting`. Limits of connections are those of the database and of roles
/// that may write records, and hold for no superuser. This session's own connection is not counted.
const SETTINGS: &str = r#"
WITH clients AS MATERIALIZED (
    SELECT datid, usesysid FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
        AND coalesce(backend_type, 'client backend') = 'client backend'
), limits AS MATERIALIZED (
    SELECT 'database ' || datname AS whose, datconnlimit AS most,
        (SELECT count(*) FROM clients WHERE datid = d.oid) AS used
    FROM pg_database AS d WHERE datname = current_database() AND datconnlimit >= 0
    UNION ALL SELECT 'role ' || rolname, rolconnlimit, (SELECT count(*) FROM clients WHERE usesysid = r.oid)
    FROM pg_roles AS r WHERE rolcanlogin AND NOT rolsuper AND rolconnlimit >= 0
        AND has_table_privilege(r.oid, '"idempotent"."records"', 'INSERT')
)
SELECT name, coalesce(reset_val, '') FROM pg_settings WHERE name IN (
    'autovacuum', 'data_checksums', 'default_transaction_isolation', 'fsync', 'full_page_writes', 'max_connections',
    'reserved_connections', 'server_version', 'superuser_reserved_connections', 'synchronous_standby_names'
)
UNION ALL SELECT name, coalesce(reset_val, '') FROM pg_settings WHERE name = 'synchronous_commit'
UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text
UNION ALL SELECT 'replicas', count(*)::text FROM pg_stat_replication
UNION ALL SELECT 'time', extract(epoch FROM clock_timestamp())::text
UNION ALL SELECT 'table_persistence', relpersistence::text FROM pg_class
    WHERE oid = '"idempotent"."records"'::regclass
UNION ALL SELECT 'table_autovacuum', coalesce((
    SELECT split_part(option, '=', 2) FROM pg_class, unnest(reloptions) AS option
    WHERE oid = '"idempotent"."records"'::regclass AND option LIKE 'autovacuum_enabled=%'
), 'on')
UNION ALL SELECT 'expired_records', count(*)::text FROM (
    SELECT FROM "idempotent"."records" WHERE expires_at < clock_timestamp() - interval '10 minutes' LIMIT 10000
) AS expired
UNION ALL SELECT 'connections', count(*)::text FROM clients
UNION ALL SELECT whose || ': connection_limit', most::text FROM limits
UNION ALL SELECT whose || ': connections', used::text FROM limits
UNION ALL SELECT
    CASE WHEN s.setrole = 0 THEN '' ELSE 'role ' || r.rolname || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' of ' END END
        || CASE WHEN s.setdatabase = 0 THEN '' ELSE 'database ' || current_database() END
        || ': ' || split_part(setting, '=', 1),
    split_part(setting, '=', 2)
FROM pg_db_role_setting AS s
LEFT JOIN pg_roles AS r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS setting
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"#;

pub(super) async fn settings(store: &Inner) -> Result<ServerSettings, StoreError> {
    let statement = store.names.statement(SETTINGS);
    let rows = store.connection.fetch(|| Query::new(&statement), Retry::Yes).await?;
    let values = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let values = values.collect::<sqlx::Result<_>>().map_err(store_error)?;
    Ok(ServerSettings { server: store.server().to_owned(), values })
}
