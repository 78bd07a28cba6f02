//! Headers that a broker would change, or take for commands: refused wherever a message comes from.

use async_nats::jetstream::stream::Config;
use idempotent_core::outbox::nats::JetStream;
use idempotent_core::outbox::{
    Draft, Message, MessageId, OutboxErrorKind, Publish, PublishErrorKind,
};
use idempotent_servers::{Server, require};

use crate::database::{Database, TOPIC, numbers};
use crate::nats::{Brokered, texts};

/// With each of these a server does something, or refuses the message, or refuses its repetition.
const COMMANDS: [(&str, &str); 6] = [
    ("Nats-TTL", "soon"),
    ("Nats-Expected-Stream", "OTHERS"),
    ("Nats-Expected-Last-Sequence", "0"),
    ("Nats-Rollup", "all"),
    ("Nats-Msg-Id", "another"),
    ("nats-ttl", "5m"),
];

#[tokio::test]
async fn headers_that_are_commands_to_the_broker_are_refused_when_drafted() {
    require!(Server::Postgres);
    let database = Database::new().await;
    for (name, value) in COMMANDS.into_iter().chain([("Outbox-Key", "another")]) {
        let mut tx = database.pool.begin().await.unwrap();
        let draft = Draft::new(TOPIC, "order-1", "1").header(name, value);
        let error = draft.publish(&mut tx).await.unwrap_err();
        assert_eq!(error.kind(), OutboxErrorKind::Invalid, "{name}");
        assert!(error.to_string().contains("reserved"), "{error}");
        tx.commit().await.unwrap();
    }
    assert_eq!(database.backlog().await, (0, 0));
}

/// The function in the database can be called without a draft, from another language for instance.
#[tokio::test]
async fn what_came_into_the_table_without_a_draft_is_parked_at_once_and_its_key_goes_on() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let headers =
        COMMANDS.into_iter().chain([("note", " blank"), ("a b", "v"), ("c", "d\r\ne: f")]);
    let mut number = 0;
    for (name, value) in headers {
        let publish = "SELECT idempotent.records_publish(gen_random_uuid(), $1, 'order-1', '', \
                       ARRAY[$2], ARRAY[$3])";
        let publish = sqlx::query(publish).bind(TOPIC).bind(name).bind(value);
        publish.execute(&brokered.database.pool).await.unwrap();
        number += 1;
    }
    brokered.database.publish("order-1", [1]).await;

    let pass = brokered.relay().park_after(1_000).pass().await.unwrap();

    assert_eq!((pass.delivered, pass.parked, pass.unavailable), (1, number, 0));
    assert_eq!(texts(&brokered.has(1).await), numbers(1));
}

#[tokio::test]
async fn a_message_that_is_published_directly_is_checked_like_a_draft() {
    require!(Server::Nats);
    let nats = idempotent_servers::Nats::start().await;
    let context = crate::nats::context(&nats.url()).await;
    context.create_stream(crate::nats::orders(Config::default())).await.unwrap();
    let broker = JetStream::new(context.clone());
    let headers = [("note", "blank "), ("note", "\u{a0}blank"), ("a:b", "v"), ("", "v")];
    for (name, value) in headers.into_iter().chain(COMMANDS) {
        let mut message = Message::new(MessageId::random(), TOPIC, "order-1", "1");
        message.headers.push((name.to_owned(), value.to_owned()));
        let error = broker.publish(&message).await.unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::Poison, "{name}: {value:?}");
    }
    for (topic, key) in [("", "k"), (TOPIC, ""), (TOPIC, " k"), (TOPIC, "k\n"), ("orders.*", "k")] {
        let message = Message::new(MessageId::random(), topic, key, "1");
        let error = broker.publish(&message).await.unwrap_err();
        assert_eq!(error.kind(), PublishErrorKind::Poison, "{topic:?} {key:?}");
    }
    let stream = context.get_stream(crate::nats::STREAM).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 0);
}
