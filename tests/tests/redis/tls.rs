//! Whom the store speaks to: which certificates it accepts, and when it speaks in plain text.

use std::error::Error as _;

use idempotent_core::backends::{RedisStore, RedisStoreBuilder};
use idempotent_core::store::StoreErrorKind;
use idempotent_servers::{Certificate, Redis, Server, require};
use idempotent_tests::{Attempt, Log};

fn authority(server: &Redis) -> Vec<u8> {
    std::fs::read(server.tls_folder().join("ca.crt")).unwrap()
}

async fn accepted(builder: RedisStoreBuilder) {
    let store = builder.connect().await.unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    attempt.record(&store, &reservation, b"result").await;
}

async fn refused(builder: RedisStoreBuilder, why: &str) {
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error} {source}").contains(why), "{why}: {error:?}");
}

#[tokio::test]
async fn a_certificate_has_to_be_valid_for_the_host_and_of_an_authority_that_is_trusted() {
    require!(Server::Redis, Server::OpenSsl);
    let valid = Redis::builder().tls().start().await;
    let builder = RedisStore::builder(valid.url());
    accepted(builder.clone().root_certificates(authority(&valid))).await;
    let named = valid.url().replace("127.0.0.1", "localhost");
    accepted(RedisStore::builder(named).root_certificates(authority(&valid))).await;
    refused(builder.clone(), "UnknownIssuer").await;

    let another = Redis::builder().tls_with(Certificate::AnotherName).start().await;
    refused(builder.root_certificates(authority(&another)), "certificate").await;
    let another_name = RedisStore::builder(another.url());
    refused(another_name.root_certificates(authority(&another)), "not valid for name").await;

    let expired = Redis::builder().tls_with(Certificate::Expired).start().await;
    let builder = RedisStore::builder(expired.url()).root_certificates(authority(&expired));
    refused(builder, "Expired").await;
}

#[tokio::test]
async fn the_scheme_says_whether_to_use_tls_and_nothing_else_does() {
    require!(Server::Redis, Server::OpenSsl);
    let server = Redis::builder().tls().start().await;
    let plain = Redis::start().await;
    // TLS to a server that has none is no reason to do without, and the other way round.
    let tls = plain.url().replace("redis://", "rediss://");
    let builder = RedisStore::builder(tls).root_certificates(authority(&server));
    assert!(builder.connect().await.is_err());
    assert!(RedisStore::connect(server.url().replace("rediss://", "redis://")).await.is_err());
}

#[tokio::test]
async fn plain_text_is_warned_of_unless_the_server_is_on_this_machine() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let (log, _listening) = Log::listen();
    for url in [server.url(), server.url().replace("127.0.0.1", "localhost"), server.unix_url()] {
        accepted(RedisStore::builder(url)).await;
    }
    assert_eq!(log.events("in plain text").len(), 0);
    // Nobody is there, and nobody is looked for before the warning.
    let remote = RedisStore::builder("redis://user:hunter2@redis.invalid:6379");
    assert!(remote.connect().await.is_err());
    let warnings = log.events("in plain text");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].fields["message"].contains("rediss://"), "{warnings:?}");
    assert!(!format!("{warnings:?}").contains("hunter2"), "{warnings:?}");
}
