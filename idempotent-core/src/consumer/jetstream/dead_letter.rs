//! Parking a message: a copy on the dead-letter subject, under its id.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishErrorKind;
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

impl DeadLetters {
    /// Publishes the copy, and returns once a stream has it.
    pub(super) async fn park(
        &self,
        context: &Context,
        message: &async_nats::Message,
        read: &Message,
        why: &Parking<'_>,
    ) -> Result<(), SettleError> {
        let mut headers = self.headers(message, read, why);
        headers.insert(NATS_MESSAGE_ID, line(read.id()));
        let stored = match self.publish(context, message, headers).await {
            // A message that was as large as the server allows has no room for more headers.
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                let headers = message.headers.clone().unwrap_or_default();
                self.publish(context, message, headers).await
            }
            stored => stored,
        };
        let stored = stored.map_err(SettleError::new)?;
        if stored.duplicate && !is_there(context, &stored.stream, stored.sequence).await? {
            // It was parked before, and that copy was taken away to be replayed. Under the same `Nats-Msg-Id` the
            // stream would drop this one, and the message would be lost.
            let mut headers = self.headers(message, read, why);
            headers.insert(MESSAGE_ID, line(read.id()));
            self.publish(context, message, headers).await.map_err(SettleError::new)?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        context: &Context,
        message: &async_nats::Message,
        headers: HeaderMap,
    ) -> Result<
        async_nats::jetstream::publish::PublishAck,
        async_nats::jetstream::context::PublishError,
    > {
        let payload = message.payload.clone();
        context.publish_with_headers(self.subject.clone(), headers, payload).await?.await
    }

    /// The message's own headers, without its id and commands to the server, and ours.
    fn headers(
        &self,
        message: &async_nats::Message,
        read: &Message,
        why: &Parking<'_>,
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
        headers.insert(REASON, why.reason.as_str());
        headers.insert(ERROR, line(why.error));
        headers.insert(ATTEMPTS, why.attempts.to_string());
        headers.insert(CONSUMER, line(&self.consumer));
        headers.insert(SUBJECT, read.topic());
        headers.insert(POSITION, line(read.position()));
        headers
    }
}

/// Whether a stream still has a message.
async fn is_there(context: &Context, stream: &str, sequence: u64) -> Result<bool, SettleError> {
    use async_nats::jetstream::ErrorCode;
    use async_nats::jetstream::stream::RawMessageErrorKind;

    let stream = context.get_stream_no_info(stream).await.map_err(SettleError::new)?;
    match stream.get_raw_message(sequence).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(false),
            RawMessageErrorKind::JetStream(why)
                if why.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
            {
                Ok(false)
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
}
