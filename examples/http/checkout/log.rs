//! What happens to each request, kept for pages that open later, and followed live.

use std::time::{Duration, Instant};

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::watch;

/// Clones write the same log.
#[derive(Clone)]
pub(crate) struct Log {
    opened: Instant,
    entries: watch::Sender<Vec<Entry>>,
}

#[derive(Clone, Serialize)]
struct Entry {
    /// Milliseconds since the log was opened.
    at: u128,
    /// Which request it is about, from 1.
    request: usize,
    #[serde(flatten)]
    what: What,
}

/// What happens to a request.
#[derive(Clone, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum What {
    /// It arrived.
    Asked { key: String, quantity: u32 },
    /// Its handler runs: the bank is asked.
    Charging,
    /// The bank paid, and the order is written.
    Ordered { order: usize },
    /// It was answered.
    Answered { status: u16, replayed: bool },
    /// The answer was cut off half way.
    Lost,
    /// Whoever sent it did not wait for the answer.
    Gone,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { opened: Instant::now(), entries: watch::Sender::default() }
    }

    /// The first entry of a request gives it its number.
    pub(crate) fn begin(&self, what: What) -> usize {
        let mut request = 0;
        let at = self.opened.elapsed();
        self.entries.send_modify(|entries| {
            request = entries.iter().map(|entry| entry.request).max().unwrap_or_default() + 1;
            entries.push(Entry::new(at, request, what));
        });
        request
    }

    pub(crate) fn write(&self, request: usize, what: What) {
        let entry = Entry::new(self.opened.elapsed(), request, what);
        self.entries.send_modify(|entries| entries.push(entry));
    }

    /// All entries after the first `seen` ones, as server-sent events, and those to come. An event's
    /// id is how many there were with it, which a browser sends when it connects again.
    pub(crate) fn follow(
        &self,
        seen: usize,
    ) -> impl Stream<Item = Result<Event, axum::Error>> + use<> {
        let follower = self.entries.subscribe();
        stream::unfold((follower, seen), |(mut follower, seen)| async move {
            let entry = {
                let entries = follower.wait_for(|entries| entries.len() > seen).await.ok()?;
                entries.get(seen)?.clone()
            };
            let event = Event::default().id((seen + 1).to_string()).json_data(entry);
            Some((event, (follower, seen + 1)))
        })
    }
}

impl Entry {
    fn new(at: Duration, request: usize, what: What) -> Self {
        Self { at: at.as_millis(), request, what }
    }
}
