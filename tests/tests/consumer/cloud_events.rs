//! Messages that are `CloudEvent`s: what is read in each mode, what is refused, and a round trip through a real server.

use std::time::{Duration, UNIX_EPOCH};

use async_nats::HeaderMap;
use idempotent_core::consumer::{
    CloudEvent, Consumer, FromMessage, InvalidCloudEvent, Json, Message, ParkReason,
    cloud_event_key,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use serde_json::{Value, json};

use crate::effects::{Effects, Running, attempts, engine, until};
use crate::nats_server::Brokered;

type Event<T = Json<Value>> = CloudEvent<T>;

const REQUIRED: [(&str, &str); 4] =
    [("specversion", "1.0"), ("id", "7"), ("source", "/shop"), ("type", "placed")];

/// An event in binary mode, with these attributes beside the required ones, or instead of them.
fn binary(prefix: &str, others: &[(&str, &str)]) -> Message {
    let given = |name: &str| others.iter().any(|(other, _)| *other == name);
    let required = REQUIRED.iter().filter(|(name, _)| !given(name));
    let mut message = Message::new("m", "orders", r#"{"order":7}"#);
    for (name, value) in required.chain(others) {
        message = message.with_header(format!("{prefix}{name}"), *value);
    }
    message.with_header("content-type", "application/json")
}

/// The same in structured mode.
fn structured(others: &Value) -> Message {
    let mut event = json!({"specversion": "1.0", "id": "7", "source": "/shop", "type": "placed"});
    for (name, value) in others.as_object().unwrap() {
        event[name] = value.clone();
    }
    in_json(&event.to_string())
}

fn in_json(event: &str) -> Message {
    let message = Message::new("m", "orders", event.to_owned());
    message.with_header("Content-Type", "application/cloudevents+json; charset=UTF-8")
}

fn refused(message: &Message) -> InvalidCloudEvent {
    Event::<Vec<u8>>::from_message(message).expect_err("it is no event")
}

#[test]
fn attributes_are_read_from_the_headers_of_every_broker() {
    for prefix in ["ce-", "Ce-", "CE_", "ce_", "cloudEvents:", "cloudEvents_"] {
        let event = Event::<Json<Value>>::from_message(&binary(
            prefix,
            &[
                ("subject", "order-7"),
                ("time", "2018-04-05T17:31:00Z"),
                ("dataschema", "https://example.com/order"),
                ("tenant", "tea"),
            ],
        ))
        .unwrap();
        assert_eq!((event.id(), event.source(), event.event_type()), ("7", "/shop", "placed"));
        assert_eq!((event.subject(), event.extension("tenant")), (Some("order-7"), Some("tea")));
        assert_eq!(event.data_content_type(), Some("application/json"));
        assert_eq!(event.data_schema(), Some("https://example.com/order"));
        assert_eq!(event.time(), Some(UNIX_EPOCH + Duration::from_secs(1_522_949_460)));
        assert_eq!(event.into_data().0, json!({"order": 7}));
    }
}

#[test]
fn only_the_headers_of_nats_and_http_are_percent_encoded() {
    for (prefix, expected) in [("ce-", "50 %"), ("ce_", "50%20%25"), ("cloudEvents:", "50%20%25")] {
        let event = Event::<Vec<u8>>::from_message(&binary(prefix, &[("subject", "50%20%25")]));
        assert_eq!(event.unwrap().subject(), Some(expected), "{prefix}");
    }
}

#[test]
fn a_time_that_amqp_has_as_a_timestamp_is_read_as_seconds_and_no_other_one_is() {
    let timed = |prefix| {
        Event::<Vec<u8>>::from_message(&binary(prefix, &[("time", "1522949460")]))
            .map(|event| event.time())
    };
    let expected = UNIX_EPOCH + Duration::from_secs(1_522_949_460);
    for prefix in ["cloudEvents:", "cloudEvents_"] {
        assert_eq!(timed(prefix), Ok(Some(expected)), "{prefix}");
    }
    for prefix in ["ce-", "ce_"] {
        let why = timed(prefix).unwrap_err();
        assert!(matches!(&why, InvalidCloudEvent::InvalidAttribute { name, .. } if name == "time"));
    }
}

#[test]
fn an_event_in_json_has_its_data_as_json_as_text_or_as_base64() {
    let json = structured(&json!({"data": {"order": 7}, "count": 7, "paid": true, "gone": null}));
    let event = Event::<Json<Value>>::from_message(&json).unwrap();
    assert_eq!((event.extension("count"), event.extension("paid")), (Some("7"), Some("true")));
    assert_eq!((event.extension("gone"), event.data().0["order"].as_u64()), (None, Some(7)));
    let of = |others: Value| {
        String::from_utf8(Event::<Vec<u8>>::from_message(&structured(&others)).unwrap().into_data())
    };
    assert_eq!(of(json!({"data": "tea"})).unwrap(), "\"tea\"");
    assert_eq!(of(json!({"data": "tea", "datacontenttype": "text/plain"})).unwrap(), "tea");
    assert_eq!(of(json!({"data": "tea", "datacontenttype": "a/b+json"})).unwrap(), "\"tea\"");
    assert_eq!(of(json!({"data_base64": "dGVh"})).unwrap(), "tea");
    assert_eq!(of(json!({})).unwrap(), "");
    // Numbers that no float has stay what they are.
    let large = in_json(
        r#"{"specversion":"1.0","id":"7","source":"/","type":"t","data":12345678901234567890.5}"#,
    );
    assert_eq!(
        Event::<String>::from_message(&large).unwrap().into_data(),
        "12345678901234567890.5"
    );
    // As servers without headers have it.
    let bare = Message::new("m", "orders", structured(&json!({})).payload().clone());
    assert_eq!(Event::<Vec<u8>>::from_message(&bare).unwrap().id(), "7");
}

#[test]
fn what_is_no_event_says_why_and_quotes_nothing() {
    use InvalidCloudEvent as Why;
    let twice = |name: &str| Why::Twice(name.to_owned());
    let batch = Message::new("m", "orders", "[]");
    let batch = batch.with_header("content-type", "application/cloudevents-batch+json");
    assert_eq!(refused(&batch), Why::UnsupportedFormat);
    assert_eq!(refused(&in_json("[\"secret\"]")), Why::InvalidJson { line: 1, column: 0 });
    assert!(matches!(refused(&in_json("{\"id\":secret}")), Why::InvalidJson { line: 1, .. }));
    for name in ["id", "source", "type", "specversion"] {
        assert_eq!(refused(&structured(&json!({name: null}))), Why::Missing(name));
        let headers = REQUIRED.iter().filter(|(other, _)| *other != name);
        let mut message = Message::new("m", "orders", "").with_header("content-type", "text/plain");
        for (name, value) in headers {
            message = message.with_header(format!("ce-{name}"), *value);
        }
        assert_eq!(refused(&message), Why::Missing(name));
    }
    let plain = Message::new("m", "orders", "{}").with_header("content-type", "application/json");
    assert_eq!(refused(&plain), Why::Missing("specversion"));
    assert_eq!(refused(&structured(&json!({"specversion": "0.3"}))), Why::UnsupportedVersion);
    // Whose id is it?
    assert_eq!(refused(&binary("ce-", &[]).with_header("ce-id", "8")), twice("id"));
    assert_eq!(refused(&binary("ce-", &[]).with_header("cloudEvents:id", "8")), twice("id"));
    let json = r#"{"specversion":"1.0","id":"7","id":"8","source":"/","type":"t"}"#;
    assert_eq!(refused(&in_json(json)), twice("id"));
    assert_eq!(refused(&structured(&json!({"data": 1, "data_base64": "MQ=="}))), twice("data"));
    assert_eq!(refused(&structured(&json!({"data_base64": "secret!"}))), Why::InvalidBase64);
    for (name, value) in [
        ("id", json!("")),
        ("source", json!("a secret place")),
        ("time", json!("secret o'clock")),
        ("dataschema", json!("secret")),
        ("subject", json!("")),
        ("type", json!("a\nsecret")),
        ("amount", json!(1.5)),
        ("count", json!(2_147_483_648_u32)),
        ("list", json!(["secret"])),
        ("Upper", json!("secret")),
        // Those of the specification are texts.
        ("id", json!(7)),
        ("source", json!(7)),
        ("type", json!(true)),
        ("specversion", json!(1)),
        ("subject", json!(7)),
        ("time", json!(1_522_949_460)),
        ("datacontenttype", json!(false)),
        ("dataschema", json!(7)),
    ] {
        let why = refused(&structured(&json!({name: value})));
        assert!(matches!(&why, Why::InvalidAttribute { name: of, .. } if of == name), "{why:?}");
        assert!(!why.to_string().contains("secret"), "{why}");
    }
    let why = refused(&binary("ce-", &[("data", "secret")]));
    assert!(matches!(&why, Why::InvalidAttribute { name, .. } if name == "data"), "{why:?}");
    let data = Event::<Json<u64>>::from_message(&structured(&json!({"data": "secret"})));
    let why = data.unwrap_err();
    assert!(matches!(&why, Why::InvalidData(_)) && !why.to_string().contains("secret"), "{why}");
}

#[tokio::test]
async fn events_are_told_apart_by_source_and_id_and_what_is_none_is_parked() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine)
        .attempts(attempts(3))
        .key(cloud_event_key)
        .handler(move |event: Event<Vec<u8>>| {
            seen.add(&format!("{} {}", event.source(), event.id()));
            async { Ok::<_, String>(()) }
        });
    // The broker's ids are of no use: a producer that sends again has another one.
    let events = [("/a", "bc"), ("/ab", "c"), ("/a", "bc"), ("/ab", "c")];
    for (number, (source, id)) in events.into_iter().enumerate() {
        let event = structured(&json!({"source": source, "id": id}));
        broker.publish(format!("message-{number}"), event.payload().clone());
    }
    broker.publish("none", "tea");
    consumer.run(broker.source(), broker.until_settled(5)).await.unwrap();
    let once = ["/a bc", "/ab c"].map(|event| (event.to_owned(), 1));
    assert_eq!(effects.all(), once);
    let parked = broker.parked();
    assert_eq!((parked.len(), parked[0].reason), (1, ParkReason::Undecodable));
    assert!(parked[0].error.contains("no JSON object"), "{}", parked[0].error);
}

#[tokio::test]
async fn events_of_both_modes_come_through_jetstream() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let mut headers = HeaderMap::new();
    for (name, value) in REQUIRED {
        headers.insert(format!("ce-{name}"), value);
    }
    headers.insert("ce-subject", "Euro%20%E2%82%AC");
    headers.insert("ce-datacontenttype", "application/json");
    server.publish_with(headers, br#"{"order":7}"#.to_vec()).await;
    let event = structured(&json!({"id": "8", "subject": "tea", "data": {"order": 8}}));
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/cloudevents+json");
    server.publish_with(headers, event.payload().to_vec()).await;
    let (effects, engine) = (Effects::default(), engine());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine).key(cloud_event_key).handler(
        move |event: Event<Json<Value>>| {
            let order = &event.data().0["order"];
            seen.add(&format!("{}: {} {order}", event.id(), event.subject().unwrap_or_default()));
            async { Ok::<_, String>(()) }
        },
    );
    let running = Running::start(&consumer, server.source());
    until(|| effects.all().len() == 2).await;
    server.until_settled().await;
    running.stop().await.unwrap();
    let expected = ["7: Euro \u{20ac} 7", "8: tea 8"].map(|event| (event.to_owned(), 1));
    assert_eq!(effects.all(), expected);
}
