//! Reading a message of NATS: its id, its position, its headers.

use std::time::{Duration, SystemTime};

use async_nats::jetstream;

use super::header_names::{MESSAGE_ID, NATS_MESSAGE_ID, PREFIX};
use crate::consumer::Message;

/// What is known of the stream that messages come from.
#[derive(Clone, Debug)]
pub(super) struct StreamName {
    pub(super) name: String,
    /// When it was created, in nanoseconds since 1970. A stream that was deleted and made anew begins its sequence
    /// anew, too.
    pub(super) created: i128,
}

/// A message of the stream; `None` if it is none of `JetStream`'s.
pub(super) fn read(stream: &StreamName, message: &jetstream::Message) -> Option<Message> {
    let info = message.info().ok()?;
    let sequence = info.stream_sequence;
    let position = format!("{}/{}/{sequence}", stream.name, stream.created);
    let header = |name| {
        let value = message.headers.as_ref()?.get(name)?.as_str();
        (!value.is_empty()).then(|| value.to_owned())
    };
    // A dead letter may have an id of its own, and then that of its message in a header of ours.
    let id = header(MESSAGE_ID).or_else(|| header(NATS_MESSAGE_ID));
    let (topic, payload) = (message.subject.as_str(), message.payload.clone());
    let mut read = match id {
        Some(id) => Message::new(id, topic, payload).at(position),
        None => Message::new(position, topic, payload).without_own_id(),
    };
    for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
        let name: &str = name.as_ref();
        for value in values.iter().filter(|_| !name.starts_with(PREFIX)) {
            read = read.with_header(name, value.as_str());
        }
    }
    if let Ok(count) = u64::try_from(info.delivered) {
        read = read.with_delivery_count(count);
    }
    let nanos = u64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(0);
    read = read.with_published_at(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
    Some(read.with_behind(info.pending))
}
