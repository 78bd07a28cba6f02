//! What is checked before the first delivery.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Config, PullConsumer, pull};
use async_nats::jetstream::context::{GetStreamByNameErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::Stream;

use super::received::StreamName;
use crate::consumer::{SourceError, Terms};

/// A consumer that was looked up and checked.
pub(super) struct Started {
    pub(super) consumer: PullConsumer,
    pub(super) stream: StreamName,
    pub(super) terms: Terms,
    pub(super) deadlines: Deadlines,
}

/// How long the server waits for an acknowledgement.
#[derive(Clone, Debug)]
pub(super) struct Deadlines {
    ack_wait: Duration,
    backoff: Vec<Duration>,
}

impl Deadlines {
    /// In the nth delivery, from 1.
    pub(super) fn of(&self, delivery: u64) -> Duration {
        let last = self.backoff.len().saturating_sub(1);
        let nth = usize::try_from(delivery.saturating_sub(1)).unwrap_or(last).min(last);
        self.backoff.get(nth).copied().unwrap_or(self.ack_wait)
    }

    /// What is delivered again that late must be remembered until then.
    pub(super) fn check(&self, ttl: Option<Duration>) -> Result<(), SourceError> {
        let longest = self.backoff.iter().max().copied().unwrap_or(self.ack_wait);
        match ttl.filter(|ttl| *ttl < longest) {
            None => Ok(()),
            Some(ttl) => Err(SourceError::misconfigured(format!(
                "a `ttl` of {ttl:?} is shorter than the {longest:?} after which the server delivers a message again at the \
                 latest, which would then run again: write at least {longest:?}, and more than the broker can be away"
            ))),
        }
    }

    fn shortest(&self) -> Duration {
        self.backoff.iter().min().copied().unwrap_or(self.ack_wait)
    }
}

/// Looks the consumer and the dead-letter subject up, and checks that they suit.
pub(super) async fn start(
    context: &Context,
    (stream_name, consumer_name): (&str, &str),
    dead_letters: &str,
) -> Result<Started, SourceError> {
    let stream = context.get_stream(stream_name).await.map_err(|error| match error.kind() {
        GetStreamErrorKind::JetStream(why) if why.code() == 404 => {
            SourceError::gone(format!("there is no stream `{stream_name}`"))
        }
        GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
            SourceError::misconfigured(format!("`{stream_name}` is no name of a stream"))
        }
        _ => SourceError::unavailable(error),
    })?;
    let consumer = consumer(&stream, stream_name, consumer_name).await?;
    let config = &consumer.cached_info().config;
    check(config, consumer_name)?;
    check_dead_letters(context, stream_name, dead_letters).await?;
    let deadlines = Deadlines { ack_wait: config.ack_wait, backoff: config.backoff.clone() };
    let info = stream.cached_info();
    let destination = format!("{stream_name}/{consumer_name}");
    let mut terms = Terms::new("nats", destination).deadline(deadlines.shortest());
    if !info.config.max_age.is_zero() {
        terms = terms.keeps_for(info.config.max_age);
    }
    let created = info.created.unix_timestamp_nanos();
    let stream = StreamName { name: stream_name.to_owned(), created };
    Ok(Started { consumer, stream, terms, deadlines })
}

async fn consumer(
    stream: &Stream,
    stream_name: &str,
    name: &str,
) -> Result<PullConsumer, SourceError> {
    use async_nats::jetstream::context::ConsumerInfoErrorKind;

    // Asked first, since looking it up tells a push consumer and one that is missing not apart.
    let info = stream.consumer_info(name).await.map_err(|error| match error.kind() {
        ConsumerInfoErrorKind::NotFound => SourceError::gone(format!(
            "the stream `{stream_name}` has no consumer `{name}`: create a durable pull consumer first"
        )),
        ConsumerInfoErrorKind::InvalidName => {
            SourceError::misconfigured(format!("`{name}` is no name of a consumer"))
        }
        ConsumerInfoErrorKind::JetStream(why) if why.code() == 404 => {
            SourceError::gone(format!("the stream `{stream_name}` has no consumer `{name}`"))
        }
        _ => SourceError::unavailable(error),
    })?;
    if info.config.deliver_subject.is_some() {
        return Err(SourceError::misconfigured(format!(
            "the consumer `{name}` is a push consumer: create it without a `deliver_subject`"
        )));
    }
    stream.get_consumer::<pull::Config>(name).await.map_err(SourceError::unavailable)
}

/// How many deliveries a server must allow that wants a number, as older ones do beside `backoff`. Deliveries
/// that find the message being handled elsewhere, or a store away, have no bound in the attempts.
const ENOUGH_DELIVERIES: i64 = 1_000_000;

fn check(config: &Config, name: &str) -> Result<(), SourceError> {
    let wrong = |text: String| Err(SourceError::misconfigured(text));
    if config.ack_policy != AckPolicy::Explicit {
        return wrong(format!("the consumer `{name}` must have `ack_policy: Explicit`"));
    }
    if config.headers_only {
        return wrong(format!(
            "the consumer `{name}` has `headers_only`, so its messages are empty"
        ));
    }
    if config.max_deliver > 0 && config.max_deliver < ENOUGH_DELIVERIES {
        return wrong(format!(
            "the consumer `{name}` has `max_deliver: {}`, after which the server drops a message silently, and it \
             also counts deliveries in which no handler ran: set it to -1, or to at least {ENOUGH_DELIVERIES} where \
             the server wants a number",
            config.max_deliver
        ));
    }
    Ok(())
}

/// The subject must have a stream of its own. In the messages' own stream the copy has an id that the stream knows, so
/// it would be dropped as a duplicate.
async fn check_dead_letters(
    context: &Context,
    stream_name: &str,
    subject: &str,
) -> Result<(), SourceError> {
    if subject.is_empty() {
        return Err(SourceError::misconfigured(
            "there is nowhere to park messages: set `dead_letters`, a subject with a stream of its own",
        ));
    }
    let found = context.stream_by_subject(subject).await.map_err(|error| match error.kind() {
        GetStreamByNameErrorKind::NotFound => SourceError::misconfigured(format!(
            "no stream takes the dead-letter subject `{subject}`: create one"
        )),
        GetStreamByNameErrorKind::InvalidSubject => {
            SourceError::misconfigured(format!("`{subject}` is no subject"))
        }
        _ => SourceError::unavailable(error),
    })?;
    if found == stream_name {
        return Err(SourceError::misconfigured(format!(
            "the dead-letter subject `{subject}` belongs to the stream `{stream_name}` itself, which would drop \
             parked messages as duplicates: give it a stream of its own"
        )));
    }
    let stream = context.get_stream(&found).await.map_err(SourceError::unavailable)?;
    if stream.cached_info().config.no_ack {
        return Err(SourceError::misconfigured(format!(
            "the stream `{found}` of the dead-letter subject has `no_ack`, so nobody knows what arrives there"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_goes_by_the_backoff_of_the_delivery() {
        let [second, minute] = [1, 60].map(Duration::from_secs);
        let plain = Deadlines { ack_wait: minute, backoff: Vec::new() };
        assert_eq!([1, 9].map(|nth| plain.of(nth)), [minute, minute]);
        let stepped = Deadlines { ack_wait: second, backoff: vec![second, minute] };
        assert_eq!([0, 1, 2, 9].map(|nth| stepped.of(nth)), [second, second, minute, minute]);
        assert_eq!(stepped.shortest(), second);
    }

    #[test]
    fn a_ttl_must_not_be_shorter_than_the_longest_time_until_a_message_comes_again() {
        let [second, day] = [1, 86_400].map(Duration::from_secs);
        let stepped = Deadlines { ack_wait: second, backoff: vec![second, day * 2, second] };
        let refused = stepped.check(Some(day)).unwrap_err().to_string();
        assert!(refused.contains("write at least 172800s"), "{refused}");
        assert!([Some(day * 2), None].into_iter().all(|ttl| stepped.check(ttl).is_ok()));
        let plain = Deadlines { ack_wait: day, backoff: Vec::new() };
        assert!(plain.check(Some(second)).is_err());
    }
}
