//! Reading a message of AMQP: its id, its position, its headers.

use std::time::{Duration, SystemTime};

use idempotent_core::consumer::Message;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::header_names::{DELIVERIES, EXCHANGE, GENERATION, PREFIX, ROUTING_KEY, is_the_brokers};

/// What a quorum queue counts deliveries with.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A message of the queue. Without an id it has the empty one, which no consumer takes for a key.
pub(crate) fn read(queue: &str, id_header: Option<&str>, delivery: &mut Delivery) -> Message {
    let payload = std::mem::take(&mut delivery.data);
    let properties = &delivery.properties;
    let id = id(properties, id_header);
    let position = match id.as_str() {
        // Attempts of such messages are told apart by what they say.
        "" => format!("{queue}/{}/{}", generation(properties), blake3::hash(&payload)),
        id => format!("{queue}/{}/{id}", generation(properties)),
    };
    let mut message = Message::new(id, routing_key(delivery), payload).at(position);
    // What the broker has added to a copy says how that came here, and not how the message did.
    let is_copy = header(properties, DELIVERIES).is_some();
    let is_hidden = |name: &str| {
        name.starts_with(PREFIX) || name == DELIVERY_COUNT || (is_copy && is_the_brokers(name))
    };
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        match text(value) {
            Some(value) if !is_hidden(name.as_str()) => {
                message = message.with_header(name.as_str(), value);
            }
            _ => {}
        }
    }
    for (name, value) in [
        ("content-type", properties.content_type()),
        ("content-encoding", properties.content_encoding()),
        ("correlation-id", properties.correlation_id()),
        ("reply-to", properties.reply_to()),
        ("type", properties.kind()),
        ("user-id", properties.user_id()),
        ("app-id", properties.app_id()),
    ] {
        if let Some(value) = value.as_ref().filter(|_| message.header(name).is_none()) {
            message = message.with_header(name, value.as_str());
        }
    }
    if let Some(count) = delivery_count(properties, delivery.redelivered) {
        message = message.with_delivery_count(count);
    }
    let published_at = properties
        .timestamp()
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    match published_at {
        Some(at) => message.with_published_at(at),
        None => message,
    }
}

fn id(properties: &BasicProperties, id_header: Option<&str>) -> String {
    let id = match id_header {
        Some(name) => header(properties, name).and_then(text),
        None => properties.message_id().as_ref().map(ToString::to_string),
    };
    id.unwrap_or_default()
}

/// How often the message was parked.
pub(crate) fn generation(properties: &BasicProperties) -> u64 {
    header(properties, GENERATION).and_then(number).unwrap_or(0)
}

/// The exchange that a message was published to, whichever its copies came through.
pub(crate) fn exchange(delivery: &Delivery) -> String {
    let first = header(&delivery.properties, EXCHANGE).and_then(text);
    first.unwrap_or_else(|| delivery.exchange.to_string())
}

/// The routing key that a message was published with, whichever its copies had.
pub(crate) fn routing_key(delivery: &Delivery) -> String {
    let first = header(&delivery.properties, ROUTING_KEY).and_then(text);
    first.unwrap_or_else(|| delivery.routing_key.to_string())
}

/// Which delivery this is, from 1, those of earlier copies included; `None` where the broker says no more than that it
/// is not the first one.
///
/// Classic queues never say more. Quorum queues count from zero, and some versions count no `nack`s.
fn delivery_count(properties: &BasicProperties, is_redelivered: bool) -> Option<u64> {
    let before = match header(properties, DELIVERIES) {
        Some(before) => number(before)?,
        None => 0,
    };
    let here = match is_redelivered {
        false => 0,
        true => header(properties, DELIVERY_COUNT).and_then(number).filter(|count| *count > 0)?,
    };
    Some(before.saturating_add(here).saturating_add(1))
}

pub(crate) fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// A value as text, if it is one that has a usual form.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::ByteArray(bytes) => String::from_utf8(bytes.as_slice().to_vec()).ok(),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        AMQPValue::Float(value) => Some(value.to_string()),
        AMQPValue::Double(value) => Some(value.to_string()),
        AMQPValue::Timestamp(seconds) => Some(seconds.to_string()),
        value => integer(value).map(|value| value.to_string()),
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(value) => i64::from(*value),
        AMQPValue::ShortShortUInt(value) => i64::from(*value),
        AMQPValue::ShortInt(value) => i64::from(*value),
        AMQPValue::ShortUInt(value) => i64::from(*value),
        AMQPValue::LongInt(value) => i64::from(*value),
        AMQPValue::LongUInt(value) => i64::from(*value),
        AMQPValue::LongLongInt(value) => *value,
        _ => return None,
    })
}

/// A count. Tools that publish a dead letter again may have made a text of it.
fn number(value: &AMQPValue) -> Option<u64> {
    match integer(value) {
        Some(value) => u64::try_from(value).ok(),
        None => text(value)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_names::UNKNOWN;

    fn properties(headers: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn deliveries_are_counted_over_copies_and_never_too_low() {
        let first = properties(&[]);
        assert_eq!(delivery_count(&first, false), Some(1));
        // A classic queue.
        assert_eq!(delivery_count(&first, true), None);
        let counted = |count| properties(&[(DELIVERY_COUNT, AMQPValue::LongLongInt(count))]);
        assert_eq!(delivery_count(&counted(0), false), Some(1));
        assert_eq!(delivery_count(&counted(2), true), Some(3));
        // One that does not count how it was given back.
        assert_eq!(delivery_count(&counted(0), true), None);
        let copy = properties(&[(DELIVERIES, AMQPValue::LongLongInt(4))]);
        assert_eq!(delivery_count(&copy, false), Some(5));
        assert_eq!(delivery_count(&copy, true), None);
        assert_eq!(delivery_count(&properties(&[(DELIVERIES, text("4"))]), false), Some(5));
        assert_eq!(delivery_count(&properties(&[(DELIVERIES, text(UNKNOWN))]), false), None);
    }

    #[test]
    fn a_message_that_was_parked_has_another_position_and_its_first_routing_key() {
        let headers = [(GENERATION, AMQPValue::LongLongInt(2)), (ROUTING_KEY, text("orders.new"))];
        let mut delivery = Delivery::mock(1, "".into(), "orders".into(), false, b"tea".to_vec());
        delivery.properties = properties(&headers).with_message_id("order-7".into());
        let message = read("orders", None, &mut delivery);
        assert_eq!((message.id(), message.position()), ("order-7", "orders/2/order-7"));
        assert_eq!((message.topic(), message.headers().count()), ("orders.new", 0));
    }

    #[test]
    fn values_are_texts_where_they_have_a_usual_form() {
        let headers = [("n", AMQPValue::ShortInt(-7)), ("t", text("a")), ("v", AMQPValue::Void)];
        let mut delivery = Delivery::mock(1, "".into(), "orders".into(), false, Vec::new());
        delivery.properties = properties(&headers).with_content_type("text/plain".into());
        let message = read("orders", Some("n"), &mut delivery);
        let read: Vec<_> = message.headers().collect();
        assert_eq!(read, [("n", "-7"), ("t", "a"), ("content-type", "text/plain")]);
        assert_eq!(message.id(), "-7");
    }
}
