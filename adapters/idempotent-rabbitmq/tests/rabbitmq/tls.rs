//! TLS with the broker, which demands a certificate.

use std::fs::{read, read_to_string};
use std::time::Duration;

use idempotent_core::consumer::{Consumer, Needs, Source, SourceErrorKind};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_rabbitmq::lapin::{Connection, ConnectionProperties};
use idempotent_servers::{RabbitMq, Server, require};

use crate::broker::{Brokered, QUORUM};
use crate::effects::{Effects, Running, attempts, engine, until};

/// A source that shows the client's certificate.
fn shown(source: RabbitMqSource, server: &RabbitMq) -> RabbitMqSource {
    let folder = server.tls_folder();
    let (certificate, key) = (read(folder.join("client.crt")), read(folder.join("client.key")));
    source.client_certificate(certificate.unwrap(), key.unwrap())
}

/// A source that trusts the authority, or whatever is in another file.
fn trusting(source: RabbitMqSource, server: &RabbitMq, file: &str) -> RabbitMqSource {
    source.root_certificates(read_to_string(server.tls_folder().join(file)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_and_retries_go_over_tls_with_a_certificate_of_the_client() {
    require!(Server::RabbitMq, Server::OpenSsl);
    let brokered = Brokered::start(QUORUM).await;
    brokered.publish("order-7", "tea").await;
    let effects = Effects::default();
    let counted = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(3)).handler(
        move |payload: String| {
            let count = counted.add(&payload);
            async move { if count == 1 { Err("the carrier is down") } else { Ok(()) } }
        },
    );
    let source = RabbitMqSource::new(brokered.server.tls_url(), brokered.queue.as_str())
        .dead_letters(brokered.dead());
    let source = shown(trusting(source, &brokered.server, "ca.crt"), &brokered.server);
    let running = Running::start(&consumer, source);
    until(|| effects.of("tea") == 2).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_with_the_right_broker_is_refused_at_the_start() {
    require!(Server::RabbitMq, Server::OpenSsl);
    let brokered = Brokered::start(QUORUM).await;
    let server = &brokered.server;
    let expect = async |source: RabbitMqSource, words: &str| {
        let mut source = source.dead_letters("dead");
        // A server that refuses may close before its reason is read.
        let error = loop {
            let error = source.start(&Needs::of("shop.ship")).await.unwrap_err();
            if error.kind() != SourceErrorKind::Unavailable {
                break error;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let (kind, text) = (error.kind(), error.to_string());
        assert!(
            kind == SourceErrorKind::Misconfigured && text.contains(words),
            "{kind:?} {text:?} and not {words:?}"
        );
    };
    let to = |url: String| RabbitMqSource::new(url, brokered.queue.as_str());
    expect(shown(to(server.tls_url()), server), "UnknownIssuer").await;
    let another = trusting(to(server.tls_url()), server, "client.crt");
    expect(shown(another, server), "UnknownIssuer").await;
    expect(trusting(to(server.tls_url()), server, "ca.crt"), "CertificateRequired").await;
    let elsewhere = to(server.tls_url().replace("127.0.0.1", "127.0.0.2"));
    expect(shown(trusting(elsewhere, server, "ca.crt"), server), "not valid for name").await;
    let plain = to(server.url().replace("amqp:", "amqps:"));
    expect(trusting(plain, server, "ca.crt"), "InvalidContentType").await;
    expect(to(server.tls_url().replace("amqps:", "amqp:")), "need `amqps`").await;
    expect(trusting(to(server.url()), server, "ca.crt"), "write `amqps`").await;
    let path = to(server.tls_url()).root_certificates("/etc/rabbit/ca.crt");
    expect(path, "it takes PEM").await;
    let url = server.url();
    let own = RabbitMqSource::connecting(
        move || {
            let url = url.clone();
            async move { Connection::connect(&url, ConnectionProperties::default()).await }
        },
        brokered.queue.as_str(),
    );
    expect(trusting(own, server, "ca.crt"), "give them to the client").await;
}
