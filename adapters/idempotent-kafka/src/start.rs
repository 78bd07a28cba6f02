//! What is checked before the first delivery, and the thread that is started then.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use idempotent_core::consumer::SourceError;
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::context::Callbacks;
use crate::group::Group;
use crate::polling::{Plan, Polling, client};
use crate::refusals::{is_refusal, of_client};
use crate::settings::Settings;

/// How long the broker may take to say what it knows of a topic.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// How long a group may take to assign partitions before that is not waited for any more.
const JOINED_WITHIN: Duration = Duration::from_secs(10);
/// The longest name of a topic, in bytes.
const LONGEST_NAME: usize = 249;

/// What can be said before the broker is asked.
pub(crate) fn check(settings: &Settings) -> Result<(), SourceError> {
    let wrong = |text: String| Err(SourceError::misconfigured(text));
    if settings.topics.is_empty() {
        return wrong("there is no topic to read: name at least one".to_owned());
    }
    let Some(dead_letters) = &settings.dead_letters else {
        return wrong("there is nowhere to park messages: set `dead_letters`, a topic".to_owned());
    };
    let all = settings.subscribed();
    for name in all.iter().copied().chain([dead_letters.as_str()]) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return wrong(format!(
                "`{name}` is not the name of a topic: it has 1 to {LONGEST_NAME} letters, digits, `.`, `_` and `-`"
            ));
        }
    }
    if all.contains(&dead_letters.as_str()) {
        return wrong(format!(
            "messages would be parked on the topic `{dead_letters}` itself, and be read again: park them on another one"
        ));
    }
    if let Some(name) = all.iter().enumerate().find(|(at, name)| all[..*at].contains(name)) {
        return wrong(format!("the topic `{}` is named twice", name.1));
    }
    Ok(())
}

/// Joins the group on a thread of its own, and waits until that has succeeded, or takes long.
pub(crate) async fn join(
    config: ClientConfig,
    settings: &Settings,
    group: &Arc<Group>,
    plan: Plan,
) -> Result<(), SourceError> {
    let (joined, mut joining) = oneshot::channel();
    let (looked_up, looking_up) = oneshot::channel();
    let topics = plan.topics.clone();
    let dead_letters = settings.dead_letters.clone();
    let polled = Arc::clone(group);
    let run = move || {
        polled.polled_by(thread::current());
        let polling = client(&config).map_err(crate::client_config::refused).and_then(|consumer| {
            for topic in &topics {
                find(&consumer, topic, "read")?;
            }
            if let Some(topic) = &dead_letters {
                find(&consumer, topic, "park messages on")?;
            }
            Polling::new(consumer, Arc::clone(&polled), plan, joined)
        });
        match polling {
            Ok(polling) => {
                let _ = looked_up.send(Ok(()));
                polling.run();
            }
            Err(error) => {
                polled.has_left();
                let _ = looked_up.send(Err(error));
            }
        }
    };
    let thread = thread::Builder::new().name("idempotent-kafka".to_owned());
    thread.spawn(run).map_err(SourceError::unavailable)?;
    looking_up.await.map_err(SourceError::unavailable)??;
    match timeout(JOINED_WITHIN, &mut joining).await {
        Ok(joined) => joined.map_err(SourceError::unavailable)?,
        Err(_) => {
            // What comes later is told to those who wait for messages.
            joining.close();
            if let Ok(joined) = joining.try_recv() {
                return joined;
            }
            tracing::info!("the group has not assigned partitions yet");
            Ok(())
        }
    }
}

/// Looks a topic up.
fn find(
    consumer: &BaseConsumer<Callbacks>,
    topic: &str,
    what_for: &str,
) -> Result<(), SourceError> {
    let metadata = match consumer.fetch_metadata(Some(topic), TOLD_WITHIN) {
        Ok(metadata) => metadata,
        Err(error) => {
            // The reason is told apart from the answer that does not come.
            consumer.poll(Duration::ZERO);
            return Err(match consumer.context().take_error() {
                Some((code, reason)) if is_refusal(Some(code)) => {
                    SourceError::misconfigured(format!("the broker refuses the client: {reason}"))
                }
                Some((_, reason)) => SourceError::unavailable(format!("{error}: {reason}")),
                None => of_client(error),
            });
        }
    };
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let error = found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
    let has_partitions = found.is_some_and(|found| !found.partitions().is_empty());
    match error {
        None if has_partitions => Ok(()),
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Err(SourceError::gone(format!(
                "there is no topic `{topic}` to {what_for}: create it first"
            )))
        }
        code if is_refusal(code) => Err(SourceError::misconfigured(format!(
            "the client may not {what_for} the topic `{topic}`, or not see it"
        ))),
        Some(code) => Err(SourceError::unavailable(KafkaError::MetadataFetch(code))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(topics: &[&str], dead_letters: Option<&str>) -> Settings {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let mut settings = Settings::of(ClientConfig::new(), topics);
        settings.dead_letters = dead_letters.map(str::to_owned);
        settings
    }

    #[test]
    fn topics_that_do_not_go_together_are_refused() {
        let long = "x".repeat(250);
        for (topics, dead_letters, words) in [
            (&[][..], Some("dead"), "no topic"),
            (&["orders"], None, "nowhere to park"),
            (&["orders"], Some("orders"), "itself"),
            (&["orders", "orders"], Some("dead"), "twice"),
            (&["^orders.*"], Some("dead"), "not the name"),
            (&[""], Some("dead"), "not the name"),
            (&[long.as_str()], Some("dead"), "not the name"),
            (&["orders"], Some("dead letters"), "not the name"),
        ] {
            let error = check(&settings(topics, dead_letters)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let mut good = settings(&["orders", "refunds"], Some("dead"));
        good.retry_topic = Some("retry".to_owned());
        assert!(check(&good).is_ok());
        good.retry_topic = Some("refunds".to_owned());
        assert!(check(&good).unwrap_err().to_string().contains("twice"));
    }
}
