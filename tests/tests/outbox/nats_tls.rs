//! A broker that speaks TLS: the client is the application's, and so is whom it trusts.

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream::Config};
use idempotent_core::outbox::nats::JetStream;
use idempotent_servers::{Certificate, Nats, Server, require};
use idempotent_tests::secs;

use crate::database::Database;
use crate::nats::{orders, stored, texts};

fn trusting(server: &Nats) -> ConnectOptions {
    ConnectOptions::new()
        .connection_timeout(secs(10))
        .add_root_certificates(server.tls_folder().join("ca.crt"))
}

#[tokio::test]
async fn messages_arrive_over_tls() {
    require!(Server::Postgres, Server::Nats, Server::OpenSsl);
    let (database, server) =
        (Database::new().await, Nats::start_with_tls(Certificate::Valid).await);
    let client = trusting(&server).require_tls(true).connect(server.url()).await.unwrap();
    let context = jetstream::new(client);
    context.create_stream(orders(Config::default())).await.unwrap();
    database.publish("order 7", [1]).await;
    database.relay(JetStream::new(context.clone())).pass().await.unwrap();
    assert_eq!(texts(&stored(&context, 1).await), ["1"]);
}

#[tokio::test]
async fn a_certificate_has_to_be_valid_for_the_host_and_of_an_authority_that_is_trusted() {
    require!(Server::Nats, Server::OpenSsl);
    let valid = Nats::start_with_tls(Certificate::Valid).await;
    let another = Nats::start_with_tls(Certificate::AnotherName).await;
    let expired = Nats::start_with_tls(Certificate::Expired).await;
    let unknown = Nats::start_with_tls(Certificate::Valid).await;
    for (server, trusted, accepted) in [
        (&valid, &valid, true),
        (&valid, &unknown, false),
        (&another, &another, false),
        (&expired, &expired, false),
    ] {
        // A server that wants TLS gets it, also where the client does not insist.
        let connected = trusting(trusted).connect(server.url()).await;
        assert_eq!(connected.is_ok(), accepted, "{connected:?}");
    }
}

#[tokio::test]
async fn a_client_that_insists_on_tls_does_not_do_without() {
    require!(Server::Nats, Server::OpenSsl);
    let (plain, valid) = (Nats::start().await, Nats::start_with_tls(Certificate::Valid).await);
    let insisting = trusting(&valid).require_tls(true).connect(plain.url()).await;
    assert!(insisting.is_err(), "{insisting:?}");
    assert!(trusting(&valid).connect(plain.url()).await.is_ok());
}
