//! The topics whose messages have no destination at the broker, so that each is logged once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Topics may be as many as there are messages, so no more of them are remembered.
const MAX_TOPICS: usize = 1_000;

/// The topics of which a relay has said that they have no destination.
#[derive(Debug, Default)]
pub(super) struct LostTopics {
    topics: Mutex<HashSet<String>>,
    /// What is delivered need not take the lock while there is nothing to forget.
    has_topics: AtomicBool,
}

impl LostTopics {
    /// Remembers a topic, and says whether it was not yet known.
    pub(super) fn lose(&self, topic: &str) -> bool {
        let mut topics = self.lock();
        if topics.contains(topic) {
            return false;
        }
        if topics.len() >= MAX_TOPICS {
            topics.clear();
        }
        topics.insert(topic.to_owned());
        self.has_topics.store(true, Ordering::Relaxed);
        true
    }

    /// Forgets a topic, since one of its messages was delivered.
    pub(super) fn found(&self, topic: &str) {
        if !self.has_topics.load(Ordering::Relaxed) {
            return;
        }
        let mut topics = self.lock();
        if topics.remove(topic) {
            tracing::info!(topic, "messages of the outbox have a destination again");
        }
        self.has_topics.store(!topics.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_news_once_until_one_of_its_messages_is_delivered() {
        let lost = LostTopics::default();
        assert!(lost.lose("a") && !lost.lose("a") && lost.lose("b"));
        lost.found("a");
        assert!(lost.lose("a") && !lost.lose("b"));
    }

    #[test]
    fn no_more_topics_are_remembered_than_fit() {
        let lost = LostTopics::default();
        for topic in 0..=MAX_TOPICS {
            assert!(lost.lose(&topic.to_string()));
        }
        assert_eq!(lost.lock().len(), 1);
    }
}
