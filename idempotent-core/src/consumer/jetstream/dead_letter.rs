//! Parking a message: a copy on the dead-letter subject, under its id.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::publish::PublishAck;
use async_nats::{HeaderMap, Subject};

use super::header_names::{
    ATTEMPTS, CONSUMER, ERROR, MESSAGE_ID, NATS_MESSAGE_ID, POSITION, PREFIX, REASON, SUBJECT,
};
use crate::consumer::{Message, ParkReason, SettleError};

/// How much of an error is kept, in bytes.
const MAX_ERROR: usize = 1024;

/// Where messages are parked.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    pub(super) subject: Subject,
    pub(super) consumer: String,
}

/// Why a message is parked.
pub(super) struct Parking<'a> {
    pub(super) reason: ParkReason,
    pub(super) error: &'a str,
    pub(super) attempts: u32,
}

/// How much a copy says. A message that was as large as the server allows has no room for more headers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Extent {
    /// The message's own headers alone: it had no id, and there is no room for one.
    Bare,
    /// Those, and its id.
    Identified,
    /// And whose copy it is, and why.
    Brief,
    Full,
}

impl DeadLetters {
    /// Publishes the copy, and returns once a stream has it.
    pub(super) async fn park(
        &self,
        context: &Context,
        message: &async_nats::Message,
        read: &Message,
        why: &Parking<'_>,
    ) -> Result<(), SettleError> {
        let ids = [(NATS_MESSAGE_ID, line(read.id()))];
        let stored = self.publish(context, message, read, why, &ids).await?;
        if !stored.duplicate || self.has(context, &stored, read).await? {
            return Ok(());
        }
        // The stream has dropped it for a copy that is another consumer's or another message's, or was taken away to be
        // replayed. This id is that of no other copy, and the same one however often this one is published.
        let ours = format!("{}/{}", self.consumer, read.position());
        let ids = [(NATS_MESSAGE_ID, line(&ours)), (MESSAGE_ID, line(read.id()))];
        self.publish(context, message, read, why, &ids).await.map(drop)
    }

    /// With as much as the server has room for.
    async fn publish(
        &self,
        context: &Context,
        message: &async_nats::Message,
        read: &Message,
        why: &Parking<'_>,
        ids: &[(&'static str, String)],
    ) -> Result<PublishAck, SettleError> {
        let headers = |extent| self.headers(extent, (message, read), why, ids);
        let mut stored = self.send(context, message, headers(Extent::Full)).await;
        for less in [Extent::Brief, Extent::Identified, Extent::Bare] {
            match &stored {
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {}
                _ => break,
            }
            stored = self.send(context, message, headers(less)).await;
        }
        stored.map_err(SettleError::new)
    }

    async fn send(
        &self,
        context: &Context,
        message: &async_nats::Message,
        headers: HeaderMap,
    ) -> Result<PublishAck, PublishError> {
        let payload = message.payload.clone();
        context.publish_with_headers(self.subject.clone(), headers, payload).await?.await
    }

    /// The message's own headers, without its id and commands to the server, and ours.
    fn headers(
        &self,
        extent: Extent,
        (message, read): (&async_nats::Message, &Message),
        why: &Parking<'_>,
        ids: &[(&'static str, String)],
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
            let text: &str = name.as_ref();
            if starts_with(text, "Nats-") || starts_with(text, PREFIX) {
                continue;
            }
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
        if extent >= Extent::Identified {
            for (name, id) in ids {
                headers.insert(*name, id.as_str());
            }
        }
        if extent >= Extent::Brief {
            headers.insert(REASON, why.reason.as_str());
            headers.insert(CONSUMER, line(&self.consumer));
            headers.insert(POSITION, line(read.position()));
        }
        if extent >= Extent::Full {
            headers.insert(ERROR, line(why.error));
            headers.insert(ATTEMPTS, why.attempts.to_string());
            headers.insert(SUBJECT, read.topic());
        }
        headers
    }

    /// Whether the copy that a stream has is this consumer's of this message.
    async fn has(
        &self,
        context: &Context,
        stored: &PublishAck,
        read: &Message,
    ) -> Result<bool, SettleError> {
        let Some(headers) = copy_at(context, &stored.stream, stored.sequence).await? else {
            return Ok(false);
        };
        let is = |name, value: &str| headers.get(name).is_some_and(|it| it.as_str() == line(value));
        Ok(is(CONSUMER, &self.consumer) && is(POSITION, read.position()))
    }
}

/// The headers of a message, if a stream still has it.
async fn copy_at(
    context: &Context,
    stream: &str,
    sequence: u64,
) -> Result<Option<HeaderMap>, SettleError> {
    use async_nats::jetstream::ErrorCode;
    use async_nats::jetstream::stream::RawMessageErrorKind;

    let stream = context.get_stream_no_info(stream).await.map_err(SettleError::new)?;
    match stream.get_raw_message(sequence).await {
        Ok(copy) => Ok(Some(copy.headers)),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(why)
                if why.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
            {
                Ok(None)
            }
            _ => Err(SettleError::new(error)),
        },
    }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// One line of a header, not too long.
fn line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR).collect();
    while line.len() > MAX_ERROR {
        line.pop();
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_line_and_not_too_long() {
        assert_eq!(line(" a\r\nb\0 "), "a  b");
        assert_eq!(line(&"ä".repeat(3000)).len(), MAX_ERROR);
    }

    #[test]
    fn commands_to_the_server_are_recognized_however_they_are_written() {
        assert!(starts_with("nats-TTL", "Nats-") && starts_with("Nats-Rollup", "Nats-"));
        assert!(!starts_with("Nats", "Nats-") && !starts_with("traceparent", "Nats-"));
    }

    #[test]
    fn however_little_room_there_is_a_copy_has_its_id_and_no_commands_to_the_server() {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, "order-7");
        headers.insert("Nats-Expected-Stream", "ORDERS");
        headers.insert("nats-rollup", "all");
        headers.insert("tenant", "a");
        let message = async_nats::Message {
            subject: "orders.placed".into(),
            reply: None,
            payload: "tea".into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        };
        let letters = DeadLetters { subject: "dead".into(), consumer: "shop.ship".to_owned() };
        let read = Message::new("order-7", "orders.placed", "tea").at("ORDERS/1/7");
        let why = Parking { reason: ParkReason::Permanent, error: "it is no good", attempts: 1 };
        let ids = [(NATS_MESSAGE_ID, "order-7".to_owned())];
        let names = |extent| {
            let headers = letters.headers(extent, (&message, &read), &why, &ids);
            let mut names: Vec<_> = headers.iter().map(|(name, _)| name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(names(Extent::Bare), ["tenant"]);
        assert_eq!(names(Extent::Identified), [NATS_MESSAGE_ID, "tenant"]);
        let brief = [CONSUMER, POSITION, REASON, NATS_MESSAGE_ID, "tenant"];
        assert_eq!(names(Extent::Brief), brief);
        let full =
            [ATTEMPTS, CONSUMER, ERROR, POSITION, REASON, SUBJECT, NATS_MESSAGE_ID, "tenant"];
        assert_eq!(names(Extent::Full), full);
    }
}
