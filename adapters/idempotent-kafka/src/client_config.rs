//! The client's configuration: what the source needs of the user's, and what it refuses.

use std::time::Duration;

use idempotent_core::consumer::SourceError;
use rdkafka::ClientConfig;

use crate::settings::Settings;

/// What a producer does not know. The others are shared: servers, security, sockets, logs.
const OF_CONSUMERS: [&str; 30] = [
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "coordinator.query.interval.ms",
    "max.poll.interval.ms",
    "enable.auto.commit",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "fetch.wait.max.ms",
    "fetch.queue.backoff.ms",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.error.backoff.ms",
    "isolation.level",
    "enable.partition.eof",
    "check.crcs",
];
/// The longest message that librdkafka knows. The broker has the say.
const LONGEST_MESSAGE: &str = "1000000000";

/// How the source consumes.
pub(crate) fn of_consumer(settings: &Settings) -> Result<ClientConfig, SourceError> {
    let mut config = settings.client.clone();
    for (name, value) in [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // A group that begins, or whose messages are gone, skips nothing.
        ("auto.offset.reset", "earliest"),
        ("allow.auto.create.topics", "false"),
        ("enable.partition.eof", "false"),
        // Each partition has a queue of its own, and this is for one of them.
        ("queued.max.messages.kbytes", "4096"),
    ] {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    if config.get("group.id").is_none_or(str::is_empty) {
        return wrong("the workers need a common name: set `group.id`");
    }
    for (name, values, why) in [
        (
            "enable.auto.commit",
            &["true"][..],
            "messages would count as done that are only received",
        ),
        (
            "enable.auto.offset.store",
            &["true"],
            "messages would count as done that are only received",
        ),
        (
            "isolation.level",
            &["read_uncommitted"],
            "messages of transactions would be handled that are aborted",
        ),
        (
            "group.protocol",
            &["consumer"],
            "the source keeps the rules of the classic protocol only",
        ),
        (
            "auto.offset.reset",
            &["latest", "largest", "end"],
            "after an outage that is longer than the topic's retention, all that is left would be skipped: write \
             `earliest`, or `error` to be told",
        ),
        ("enable.partition.eof", &["true"], "nobody would hear of it"),
    ] {
        let value = value(&config, name)?;
        if values.contains(&value.as_str()) {
            // The value is the one that the client reads the given word as, and the first one here is what most write.
            return wrong(format!("`{name}` must not be `{}`: {why}", values[0]));
        }
    }
    check_times(settings, &config)?;
    Ok(config)
}

/// How the source produces retries and dead letters.
pub(crate) fn of_producer(settings: &Settings) -> Result<ClientConfig, SourceError> {
    let mut config = match &settings.producer {
        Some(config) => config.clone(),
        None => {
            let mut config = settings.client.clone();
            for name in OF_CONSUMERS {
                config.remove(name);
            }
            config
        }
    };
    for (name, alias, value) in [
        ("enable.idempotence", "", "true"),
        ("message.max.bytes", "", LONGEST_MESSAGE),
        ("delivery.timeout.ms", "message.timeout.ms", "30000"),
        ("linger.ms", "queue.buffering.max.ms", "0"),
    ] {
        if config.get(name).is_none() && config.get(alias).is_none() {
            config.set(name, value);
        }
    }
    if config.get("transactional.id").is_some() {
        return wrong("`transactional.id` must not be set: copies are confirmed one by one");
    }
    if config.get("acks").is_none() && config.get("request.required.acks").is_none() {
        config.set("acks", "all");
    }
    match value(&config, "acks")?.as_str() {
        "-1" | "all" => Ok(config),
        acks => wrong(format!(
            "`acks` must not be `{acks}`: a message would be given up whose copy may be lost; write `all`"
        )),
    }
}

fn check_times(settings: &Settings, config: &ClientConfig) -> Result<(), SourceError> {
    let poll_interval = millis(config, "max.poll.interval.ms")?;
    if settings.drain_within > poll_interval / 2 {
        return wrong(format!(
            "to drain within {:?} leaves too little of `max.poll.interval.ms`, in which a member has to give up its \
             partitions: write at most {:?} for `drain_within`",
            settings.drain_within,
            poll_interval / 2
        ));
    }
    if settings.deadline > poll_interval || settings.deadline < Duration::from_millis(1) {
        return wrong(format!(
            "a deadline of {:?} is not between a millisecond and `max.poll.interval.ms`, after which the partitions of a \
             frozen worker are another's: write at most {poll_interval:?}",
            settings.deadline
        ));
    }
    if settings.max_ahead == 0 {
        return wrong("`max_ahead` must be at least 1, or nothing would be received");
    }
    Ok(())
}

fn millis(config: &ClientConfig, name: &str) -> Result<Duration, SourceError> {
    let text = value(config, name)?;
    let refused = |error| SourceError::misconfigured(format!("`{name}` is `{text}`: {error}"));
    text.parse().map(Duration::from_millis).map_err(refused)
}

/// A property as the client takes it, its default included.
fn value(config: &ClientConfig, name: &str) -> Result<String, SourceError> {
    let native = config.create_native_config().map_err(refused)?;
    let value = native.get(name).map_err(refused)?;
    Ok(value.trim_end_matches('\0').to_owned())
}

/// A property that the client does not take. Its value may be a password.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(crate) fn refused(error: rdkafka::error::KafkaError) -> SourceError {
    use rdkafka::error::KafkaError;
    SourceError::misconfigured(match &error {
        KafkaError::ClientConfig(_, why, name, _) => {
            format!("the client refuses the property `{name}`: {why}")
        }
        other => format!("the client cannot be made: {other}"),
    })
}

fn wrong<T>(text: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, SourceError> {
    Err(SourceError::misconfigured(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> Settings {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "localhost:9092").set("group.id", "shop");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        Settings::of(config, vec!["orders".to_owned()])
    }

    #[test]
    fn what_would_commit_by_itself_or_skip_messages_is_refused() {
        for (name, text) in [
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "1"),
            ("isolation.level", "read_uncommitted"),
            ("group.protocol", "consumer"),
            ("auto.offset.reset", "latest"),
            ("enable.partition.eof", "true"),
            ("group.id", ""),
        ] {
            let error = of_consumer(&settings(&[(name, text)])).unwrap_err().to_string();
            assert!(error.contains(name), "{name}: {error}");
            assert!(!error.contains("largest"), "a word that nobody has written: {error}");
        }
        let config = of_consumer(&settings(&[("enable.auto.commit", "false")])).unwrap();
        assert_eq!(config.get("auto.offset.reset"), Some("earliest"));
        let queued = "queued.max.messages.kbytes";
        assert_eq!(config.get(queued), Some("4096"));
        let config = of_consumer(&settings(&[(queued, "65536")])).unwrap();
        assert_eq!(config.get(queued), Some("65536"));
    }

    #[test]
    fn times_that_contradict_each_other_are_refused() {
        let mut slow = settings(&[("max.poll.interval.ms", "60000")]);
        slow.drain_within = Duration::from_secs(31);
        assert!(of_consumer(&slow).unwrap_err().to_string().contains("at most 30s"));
        slow.drain_within = Duration::from_secs(30);
        slow.deadline = Duration::from_secs(61);
        assert!(of_consumer(&slow).unwrap_err().to_string().contains("at most 60s"));
        slow.deadline = Duration::from_secs(60);
        assert!(of_consumer(&slow).is_ok());
        slow.max_ahead = 0;
        assert!(of_consumer(&slow).unwrap_err().to_string().contains("max_ahead"));
    }

    #[test]
    fn copies_are_confirmed_by_all_replicas() {
        let given = settings(&[("session.timeout.ms", "6000"), ("client.id", "billing")]);
        let config = of_producer(&given).unwrap();
        assert_eq!((config.get("group.id"), config.get("session.timeout.ms")), (None, None));
        assert_eq!((config.get("client.id"), config.get("acks")), (Some("billing"), Some("all")));
        let mut weak = settings(&[]);
        let mut producer = ClientConfig::new();
        producer.set("acks", "1").set("enable.idempotence", "false");
        weak.producer = Some(producer.clone());
        assert!(of_producer(&weak).unwrap_err().to_string().contains("write `all`"));
        producer.remove("acks").set("transactional.id", "billing");
        weak.producer = Some(producer);
        assert!(of_producer(&weak).unwrap_err().to_string().contains("transactional.id"));
    }

    #[test]
    fn times_of_the_producer_are_the_users_under_either_name() {
        for (name, default, alias) in [
            ("delivery.timeout.ms", "30000", "message.timeout.ms"),
            ("linger.ms", "0", "queue.buffering.max.ms"),
        ] {
            let of = |given: &[(&str, &str)]| {
                let config = of_producer(&settings(given)).unwrap();
                value(&config, alias).unwrap()
            };
            assert_eq!(of(&[]).trim_end_matches(".0"), default);
            for given in [name, alias] {
                assert!(of(&[(given, "7000")]).starts_with("7000"), "{given}");
            }
        }
    }

    #[test]
    fn a_password_is_in_no_text() {
        let error = of_consumer(&settings(&[("sasl.pasword", "secret")])).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("sasl.pasword") && !text.contains("secret"), "{text}");
    }
}
