//! The options of a source. [`KafkaSource`](crate::KafkaSource) documents and sets them.

use std::time::Duration;

use rdkafka::ClientConfig;

/// As long as a broker waits for a member by default.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);
pub(crate) const MAX_AHEAD: usize = 500;
pub(crate) const COMMIT_EVERY: Duration = Duration::from_secs(1);
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client: ClientConfig,
    pub(crate) producer: Option<ClientConfig>,
    pub(crate) topics: Vec<String>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) retry_topic: Option<String>,
    pub(crate) id_header: Option<String>,
    pub(crate) is_ordered: bool,
    pub(crate) deadline: Duration,
    pub(crate) max_ahead: usize,
    pub(crate) commit_every: Duration,
    pub(crate) drain_within: Duration,
}

impl Settings {
    pub(crate) fn of(client: ClientConfig, topics: Vec<String>) -> Self {
        Self {
            client,
            producer: None,
            topics,
            dead_letters: None,
            retry_topic: None,
            id_header: None,
            is_ordered: true,
            deadline: DEADLINE,
            max_ahead: MAX_AHEAD,
            commit_every: COMMIT_EVERY,
            drain_within: DRAIN_WITHIN,
        }
    }

    /// All topics that are read.
    pub(crate) fn subscribed(&self) -> Vec<&str> {
        self.topics.iter().chain(&self.retry_topic).map(String::as_str).collect()
    }
}
