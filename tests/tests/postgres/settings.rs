//! Settings of the role or the database, which reach into the sessions of all who log in.

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{Scan, Store};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, PostgresVersion, require};
use idempotent_tests::{Attempt, Runs, SOON, call};

use crate::setup::{VERSIONS, migrated, number, patient};

/// Settings that would break or slow down the store's statements, and from which version on they are known.
const SETTINGS: [(&str, &str, PostgresVersion); 9] = [
    ("statement_timeout", "'1ms'", PostgresVersion::Distribution),
    ("lock_timeout", "'1ms'", PostgresVersion::Distribution),
    ("idle_in_transaction_session_timeout", "'1ms'", PostgresVersion::Distribution),
    ("idle_session_timeout", "'20ms'", PostgresVersion::Distribution),
    ("transaction_timeout", "'1ms'", PostgresVersion::V18),
    ("default_transaction_isolation", "serializable", PostgresVersion::Distribution),
    ("default_transaction_deferrable", "on", PostgresVersion::Distribution),
    ("row_security", "off", PostgresVersion::Distribution),
    // A function of that schema has the name of one that the store's statements use.
    ("search_path", "hostile, pg_catalog", PostgresVersion::Distribution),
];

const HOSTILE: &str = "CREATE SCHEMA hostile; GRANT USAGE ON SCHEMA hostile TO shop;
    CREATE FUNCTION hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT timestamptz '2000-01-01' $$;
    CREATE FUNCTION hostile.pg_backend_pid() RETURNS int LANGUAGE sql AS $$ SELECT 0 $$";

#[tokio::test]
async fn no_setting_of_the_role_reaches_into_a_stores_own_statements() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let server = Postgres::builder().version(version).start().await;
        server.sql("CREATE ROLE shop LOGIN; GRANT CREATE ON DATABASE postgres TO shop").await;
        server.sql(HOSTILE).await;
        let url = server.url().replace("postgres@", "shop@");
        for (number, (setting, value, since)) in SETTINGS.into_iter().enumerate() {
            if since == PostgresVersion::V18 && version != since {
                continue;
            }
            server
                .sql(&format!("ALTER ROLE shop RESET ALL; ALTER ROLE shop SET {setting} = {value}"))
                .await;
            let store = PostgresStore::builder(url.as_str()).schema(format!("shop_{number}"));
            let store = store.response_timeout(SOON).sweep_every(None).connect().await;
            let store = store.unwrap_or_else(|error| panic!("{setting}: {error:?}"));
            let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
            for _ in 0..3 {
                let ran = call(&engine, Operation::new("shop::charge"), "7", &runs).await;
                assert_eq!(ran.unwrap(), 1, "{setting}");
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            }
            let attempt = Attempt::new();
            let reservation = attempt.win(&store).await;
            attempt.renew(&store, &reservation).await.unwrap();
            attempt.release(&store, &reservation).await.unwrap();
            assert_eq!(store.scan(&Scan::all()).await.unwrap().entries.len(), 1, "{setting}");
            assert_eq!(store.sweep().await.unwrap(), 0, "{setting}");
            store.close().await;
        }
    }
}

/// How a server may be told that it is no longer the primary, so the store does not overrule it.
#[tokio::test]
async fn a_role_that_may_only_read_is_refused_with_a_reason() {
    require!(PostgresVersion::Distribution.server());
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    store.close().await;
    server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    let store = patient(&server).connect().await.unwrap();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.to_string().contains("accepts no writes"), "{error}");
    assert_eq!(number(&server, "SELECT count(*) FROM idempotent.records").await, 0);
}
