//! Reading a record of Kafka: its id, its position, its key, its headers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use idempotent_core::consumer::Message;
use rdkafka::message::{Headers, OwnedHeaders, Timestamp};

use crate::header_names::{DUE, ID, POSITION, TOMBSTONE, TOPIC, is_ours};

/// What was read of a record. It has no `Debug`, since what it says may be sensitive.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) message: Message,
    /// The record's own, for copies of it.
    pub(crate) key: Option<Bytes>,
    pub(crate) headers: OwnedHeaders,
    pub(crate) is_tombstone: bool,
    /// Whether it was read from the retry topic.
    pub(crate) is_copy: bool,
    /// When it may run, if it is a copy on a retry topic.
    pub(crate) due: Option<SystemTime>,
    /// Why it has no id.
    pub(crate) fault: Option<&'static str>,
    /// Topic, partition and offset, whichever message it is a copy of.
    pub(crate) place: String,
}

/// How records are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) id_header: Option<String>,
    pub(crate) retry_topic: Option<String>,
}

/// How long a copy waits whose header says no time that can be read.
const UNREADABLE_DUE: Duration = Duration::from_secs(60);

pub(crate) const NO_ID: &str =
    "it has no header with its id: let its producer add the one that `id_header` names";
pub(crate) const EMPTY_ID: &str = "its header with the id is empty";
pub(crate) const SEVERAL_IDS: &str = "it has several headers with an id";
pub(crate) const ID_IS_NO_TEXT: &str = "its header with the id is not UTF-8";

impl Reading {
    pub(crate) fn read(&self, record: &impl rdkafka::Message<Headers = impl Headers>) -> Received {
        let place = format!("{}/{}/{}", record.topic(), record.partition(), record.offset());
        let mut headers = OwnedHeaders::new();
        for header in record.headers().iter().flat_map(|headers| headers.iter()) {
            headers = headers.insert(header);
        }
        let is_retry = self.retry_topic.as_deref() == Some(record.topic());
        let (id, has_own_id, fault) = match self.id(&headers) {
            Ok(Some(id)) => (id.to_owned(), true, None),
            Ok(None) => (place.clone(), false, None),
            Err(fault) => (String::new(), true, Some(fault)),
        };
        let of_retry = |name| text(&headers, name).filter(|_| is_retry);
        let topic = of_retry(TOPIC).unwrap_or_else(|| record.topic().to_owned());
        let position = of_retry(POSITION).unwrap_or_else(|| place.clone());
        let has_due = is_retry && headers.iter().any(|header| header.key == DUE);
        let due = of_retry(DUE).and_then(|millis| millis.parse().ok()).and_then(since_1970);
        let due = due.or_else(|| has_due.then(|| SystemTime::now() + UNREADABLE_DUE));
        let payload = record.payload();
        let payload_or_nothing = Bytes::copy_from_slice(payload.unwrap_or_default());
        let mut message = Message::new(id, topic, payload_or_nothing).at(position);
        if !has_own_id {
            message = message.without_own_id();
        }
        for header in headers.iter().filter(|header| !is_ours(header.key)) {
            if let Some(Ok(value)) = header.value.map(std::str::from_utf8) {
                message = message.with_header(header.key, value);
            }
        }
        if payload.is_none() {
            message = message.with_header(TOMBSTONE, "true");
        }
        let key = record.key().map(Bytes::copy_from_slice);
        if let Some(Ok(key)) = key.as_deref().map(std::str::from_utf8) {
            message = message.with_key(key);
        }
        if let Timestamp::CreateTime(millis) | Timestamp::LogAppendTime(millis) = record.timestamp()
        {
            message = match u64::try_from(millis).ok().and_then(since_1970) {
                Some(at) => message.with_published_at(at),
                None => message,
            };
        }
        let is_tombstone = payload.is_none();
        Received { message, key, headers, is_tombstone, is_copy: is_retry, due, fault, place }
    }

    /// The id that a header gives; `None` where it is the record's place.
    fn id<'a>(&self, headers: &'a OwnedHeaders) -> Result<Option<&'a str>, &'static str> {
        let name = self.id_header.as_deref().unwrap_or(ID);
        let mut values = headers.iter().filter(|header| header.key == name);
        let Some(first) = values.next() else {
            return if self.id_header.is_some() { Err(NO_ID) } else { Ok(None) };
        };
        if values.next().is_some() {
            return Err(SEVERAL_IDS);
        }
        match std::str::from_utf8(first.value.unwrap_or_default()) {
            Ok("") => Err(EMPTY_ID),
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(ID_IS_NO_TEXT),
        }
    }
}

/// The first header with this name, if it is text.
fn text(headers: &OwnedHeaders, name: &str) -> Option<String> {
    let header = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok().map(str::to_owned)
}

fn since_1970(millis: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use rdkafka::message::{Header, OwnedMessage};

    use super::*;

    fn record(topic: &str, headers: &[(&str, Option<&[u8]>)]) -> OwnedMessage {
        let mut owned = OwnedHeaders::new();
        for (key, value) in headers {
            owned = owned.insert(Header { key, value: *value });
        }
        let (key, timestamp) = (Some(b"order-7".to_vec()), Timestamp::CreateTime(5000));
        let topic = topic.to_owned();
        OwnedMessage::new(Some(b"tea".to_vec()), key, topic, timestamp, 3, 42, Some(owned))
    }

    fn named() -> Reading {
        Reading { id_header: Some("message-id".to_owned()), retry_topic: None }
    }

    #[test]
    fn a_record_is_read_with_its_key_its_time_and_its_text_headers() {
        let record = record(
            "orders",
            &[("idempotent-key", Some(b"a")), ("bytes", Some(&[0xff])), ("none", None)],
        );
        let read = Reading::default().read(&record);
        let message = &read.message;
        assert_eq!((message.id(), message.position()), ("orders/3/42", "orders/3/42"));
        assert_eq!((message.topic(), message.key()), ("orders", Some("order-7")));
        assert_eq!(message.headers().collect::<Vec<_>>(), [("idempotent-key", "a")]);
        assert_eq!(message.published_at(), since_1970(5000));
        assert_eq!((message.delivery_count(), read.headers.count()), (None, 3));
        assert_eq!(message.payload().as_ref(), b"tea");
    }

    #[test]
    fn an_id_is_one_header_that_is_text_and_not_empty() {
        let read = |headers: &[(&str, Option<&[u8]>)]| named().read(&record("orders", headers));
        let good = read(&[("message-id", Some(b"7"))]);
        assert_eq!((good.message.id(), good.fault), ("7", None));
        for (headers, fault) in [
            (&[("Message-Id", Some(b"7".as_slice()))][..], NO_ID),
            (&[("message-id", Some(b"".as_slice()))], EMPTY_ID),
            (&[("message-id", None)], EMPTY_ID),
            (&[("message-id", Some([0xff].as_slice()))], ID_IS_NO_TEXT),
            (&[("message-id", Some(b"7".as_slice())), ("message-id", Some(b"8"))], SEVERAL_IDS),
            (&[("message-id", Some(b"7".as_slice())), ("message-id", Some(b"7"))], SEVERAL_IDS),
        ] {
            let refused = read(headers);
            assert_eq!((refused.message.id(), refused.fault), ("", Some(fault)));
        }
    }

    #[test]
    fn the_header_of_a_dead_letter_keeps_its_id_when_it_is_produced_again() {
        let read = Reading::default().read(&record("orders", &[(ID, Some(b"orders/3/7"))]));
        assert_eq!((read.message.id(), read.message.position()), ("orders/3/7", "orders/3/42"));
        assert_eq!(read.message.headers().count(), 0);
    }

    #[test]
    fn only_on_the_retry_topic_has_a_message_the_topic_and_the_position_of_another() {
        let headers: [(&str, Option<&[u8]>); 3] =
            [(TOPIC, Some(b"orders")), (POSITION, Some(b"orders/3/7")), (DUE, Some(b"9000"))];
        let reading = Reading { id_header: None, retry_topic: Some("retry".to_owned()) };
        let copy = reading.read(&record("retry", &headers));
        assert_eq!((copy.message.topic(), copy.message.position()), ("orders", "orders/3/7"));
        assert_eq!((copy.due, copy.place.as_str()), (since_1970(9000), "retry/3/42"));
        let other = reading.read(&record("orders", &headers));
        assert_eq!((other.message.position(), other.due), ("orders/3/42", None));
    }

    #[test]
    fn a_copy_is_due_later_where_its_time_cannot_be_read_and_at_once_where_it_has_none() {
        let reading = Reading { id_header: None, retry_topic: Some("retry".to_owned()) };
        let due = |headers: &[(&str, Option<&[u8]>)]| reading.read(&record("retry", headers)).due;
        for value in [Some(b"soon".as_slice()), Some(&[0xff]), Some(&[b'9'; 30]), None] {
            let soon = SystemTime::now() + UNREADABLE_DUE / 2;
            assert!(due(&[(DUE, value)]).is_some_and(|due| due > soon), "{value:?}");
        }
        assert_eq!(due(&[]), None);
    }

    #[test]
    fn a_tombstone_is_told_from_an_empty_payload() {
        let record = record("orders", &[]).set_payload(None);
        let read = Reading::default().read(&record);
        assert_eq!((read.message.header(TOMBSTONE), read.is_tombstone), (Some("true"), true));
    }
}
