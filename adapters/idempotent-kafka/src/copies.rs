//! What a copy of a message says besides what the message does.

use std::time::{Duration, SystemTime};

use idempotent_core::consumer::ParkReason;
use rdkafka::message::{Header, Headers, OwnedHeaders};

use crate::header_names::{
    ATTEMPTS, CONSUMER, DUE, ERROR, ID, PARKED_AT, POSITION, REASON, TOPIC, is_ours,
};
use crate::received::Received;

/// Longer than any process runs, and no number that others could not read.
const FAR_AWAY: Duration = Duration::from_secs(86_400 * 365 * 30);
/// How much of an error is kept, in bytes.
const MAX_ERROR: usize = 1024;

/// Why a message is parked.
#[derive(Clone, Debug)]
pub(crate) struct Parking<'a> {
    pub(crate) reason: ParkReason,
    pub(crate) error: &'a str,
    pub(crate) attempts: u32,
    pub(crate) consumer: &'a str,
}

/// The headers of a dead letter.
pub(crate) fn parked(of: &Received, why: &Parking<'_>) -> OwnedHeaders {
    // A message without an id says more about the error.
    let error = match of.fault {
        Some(fault) if why.reason == ParkReason::InvalidKey => format!("{fault} ({})", why.error),
        _ => why.error.to_owned(),
    };
    let headers = kept(of);
    let headers = with(headers, REASON, why.reason.as_str());
    let headers = with(headers, ERROR, shortened(&error));
    let headers = with(headers, ATTEMPTS, &why.attempts.to_string());
    let headers = with(headers, CONSUMER, why.consumer);
    with(headers, PARKED_AT, &of.place)
}

/// The headers of a copy on a retry topic.
pub(crate) fn retried(of: &Received, after: Duration) -> OwnedHeaders {
    let headers = with(kept(of), TOPIC, of.message.topic());
    let headers = with(headers, POSITION, of.message.position());
    let due = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    with(headers, DUE, &due.saturating_add(after.min(FAR_AWAY)).as_millis().to_string())
}

/// The message's own headers, byte by byte, and its id.
fn kept(of: &Received) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for header in of.headers.iter().filter(|header| !is_ours(header.key)) {
        headers = headers.insert(header);
    }
    match of.fault {
        None => with(headers, ID, of.message.id()),
        Some(_) => headers,
    }
}

fn with(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

fn shortened(error: &str) -> &str {
    let mut length = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(length) {
        length -= 1;
    }
    &error[..length]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use idempotent_core::consumer::Message;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;
    use crate::received::Reading;

    fn received(fault: Option<&'static str>) -> Received {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "bytes", value: Some(&[0xff_u8]) })
            .insert(Header { key: "tenant", value: Some("a") })
            .insert(Header { key: "tenant", value: Some("b") })
            .insert(Header { key: "idempotent-key", value: Some("own") })
            .insert(Header { key: ERROR, value: Some("an earlier one") });
        Received {
            message: Message::new("7", "orders", "tea").at("orders/0/7"),
            key: Some(Bytes::from_static(b"key")),
            headers,
            is_tombstone: false,
            is_copy: true,
            due: None,
            fault,
            place: "retry/1/2".to_owned(),
        }
    }

    fn listed(headers: &OwnedHeaders) -> Vec<(String, Vec<u8>)> {
        let value = |header: Header<'_, &[u8]>| header.value.unwrap_or_default().to_vec();
        headers.iter().map(|header| (header.key.to_owned(), value(header))).collect()
    }

    fn expected(headers: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        let own = [
            ("bytes", &[0xff][..]),
            ("tenant", b"a"),
            ("tenant", b"b"),
            ("idempotent-key", b"own"),
        ];
        let ours = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        own.into_iter().chain(ours).map(|(name, it)| (name.to_owned(), it.to_vec())).collect()
    }

    #[test]
    fn a_dead_letter_has_all_headers_and_says_why_it_is_one() {
        let why = Parking {
            reason: ParkReason::Permanent,
            error: "no such carrier",
            attempts: 3,
            consumer: "shop.ship",
        };
        let headers = parked(&received(None), &why);
        let ours = [
            (ID, "7"),
            (REASON, "permanent"),
            (ERROR, "no such carrier"),
            (ATTEMPTS, "3"),
            (CONSUMER, "shop.ship"),
            (PARKED_AT, "retry/1/2"),
        ];
        assert_eq!(listed(&headers), expected(&ours));
    }

    #[test]
    fn a_message_without_an_id_says_so_and_a_long_error_is_cut_at_a_character() {
        let error = "ä".repeat(2000);
        let why =
            Parking { reason: ParkReason::InvalidKey, error: &error, attempts: 0, consumer: "" };
        let headers = listed(&parked(&received(Some("it has no id")), &why));
        assert!(headers.iter().all(|(name, _)| name != ID));
        let (_, error) = headers.iter().find(|(name, _)| name == ERROR).unwrap();
        let error = std::str::from_utf8(error).unwrap();
        assert!(error.starts_with("it has no id (ä") && error.len() <= MAX_ERROR);
    }

    #[test]
    fn a_retry_keeps_the_topic_and_the_position_of_its_message() {
        let headers = listed(&retried(&received(None), Duration::MAX));
        let of = |name: &str| {
            let (_, value) = headers.iter().find(|(given, _)| given == name).unwrap();
            String::from_utf8(value.clone()).unwrap()
        };
        assert_eq!((of(TOPIC), of(POSITION)), ("orders".to_owned(), "orders/0/7".to_owned()));
    }

    #[test]
    fn a_copy_is_due_when_it_was_to_be_however_long_that_is() {
        let reading = Reading { id_header: None, retry_topic: Some("retry".to_owned()) };
        let year = Duration::from_secs(86_400 * 365);
        for (after, at_least) in
            [(Duration::MAX, 29 * year), (year, year), (Duration::ZERO, Duration::ZERO)]
        {
            let (before, topic) = (SystemTime::now() - Duration::from_secs(1), "retry".to_owned());
            let headers = Some(retried(&received(None), after));
            let timestamp = Timestamp::NotAvailable;
            let copy = OwnedMessage::new(None, None, topic, timestamp, 0, 0, headers);
            let due = reading.read(&copy).due.unwrap();
            assert!(due >= before + at_least, "{due:?} for {after:?}");
        }
    }
}
