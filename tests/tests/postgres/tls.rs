//! Whom the store speaks to: which certificates it accepts, and when it speaks in plain text.

use std::error::Error as _;

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_servers::{Certificate, Postgres, Server, require};
use idempotent_tests::{Attempt, Log, SOON};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};

async fn connect(url: String) -> Result<PostgresStore, StoreError> {
    PostgresStore::builder(url).response_timeout(SOON).connect().await
}

/// A URL with this mode, and with the authority of `trusted`.
fn url(server: &Postgres, mode: &str, trusted: Option<&Postgres>) -> String {
    let authority = trusted.map(|server| server.tls_folder().join("ca.crt"));
    let authority = authority.map(|file| format!("&sslrootcert={}", file.display()));
    format!("{}?sslmode={mode}{}", server.url(), authority.unwrap_or_default())
}

/// Whether each of a store's connections to this server is encrypted.
async fn is_encrypted(server: &Postgres) -> bool {
    let all = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    server.sql(all).await[0][0].as_deref() == Some("t")
}

async fn accepted(url: String) -> PostgresStore {
    let store = connect(url).await.unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    attempt.record(&store, &reservation, b"result").await;
    store
}

async fn refused(url: String, why: &str) {
    let error = connect(url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error} {source} {error:?}").contains(why), "{why}: {error:?}");
}

#[tokio::test]
async fn a_certificate_has_to_be_valid_for_the_host_and_of_an_authority_that_is_trusted() {
    require!(Server::Postgres, Server::OpenSsl);
    let valid = Postgres::builder().tls_with(Certificate::Valid).start().await;
    let store = accepted(url(&valid, "verify-full", Some(&valid))).await;
    assert!(is_encrypted(&valid).await);
    store.close().await;
    refused(url(&valid, "verify-full", None), "UnknownIssuer").await;

    let another = Postgres::builder().tls_with(Certificate::AnotherName).start().await;
    refused(url(&valid, "verify-full", Some(&another)), "certificate").await;
    refused(url(&another, "verify-full", Some(&another)), "NotValidForName").await;
    accepted(url(&another, "verify-ca", Some(&another))).await;

    let expired = Postgres::builder().tls_with(Certificate::Expired).start().await;
    refused(url(&expired, "verify-full", Some(&expired)), "Expired").await;
    // Anybody is good enough for this one, as the documentation says.
    let store = accepted(url(&expired, "require", None)).await;
    assert!(is_encrypted(&expired).await);
    store.close().await;
}

#[tokio::test]
async fn a_server_without_tls_is_no_reason_to_do_without() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    for mode in ["require", "verify-ca", "verify-full"] {
        refused(url(&server, mode, None), "does not support TLS").await;
    }
    for mode in ["prefer", "disable"] {
        accepted(url(&server, mode, None)).await;
    }
    accepted(server.url()).await;
}

#[tokio::test]
async fn a_url_of_another_machine_that_does_not_say_how_is_refused_before_anybody_is_asked() {
    let remote = "postgres://shop:hunter2@db.invalid/shop";
    let error = PostgresStore::connect(remote).await.unwrap_err();
    assert!(error.to_string().contains("add `?sslmode=verify-full`"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    // With an answer, the name is looked up, and not found.
    for mode in ["disable", "verify-full"] {
        let error = PostgresStore::connect(format!("{remote}?sslmode={mode}")).await.unwrap_err();
        assert!(!error.to_string().contains("sslmode"), "{error}");
    }
}

#[tokio::test]
async fn options_and_pools_that_leave_it_to_another_machine_are_warned_of() {
    let (log, _listening) = Log::listen();
    let options = PgConnectOptions::new_without_pgpass().host("db.invalid").username("shop");
    let verified = options.clone().ssl_mode(PgSslMode::VerifyFull);
    let plain = options.clone().ssl_mode(PgSslMode::Disable);
    let undecided = options.ssl_mode(PgSslMode::Prefer);
    let connect = async |options: &PgConnectOptions| {
        let pool = PgPoolOptions::new().acquire_timeout(SOON).connect_lazy_with(options.clone());
        assert!(PostgresStore::connect(options.clone()).await.is_err());
        assert!(PostgresStore::connect(pool).await.is_err());
    };
    connect(&verified).await;
    connect(&plain).await;
    assert_eq!(log.events("in plain").len(), 0);
    connect(&undecided).await;
    assert_eq!(log.events("in plain").len(), 2);
}
