//! [`Requests`]: a thread that waits for the broker's answers, since the one that polls must not.
//!
//! The client's own way not to wait for a commit tells nobody how it ended: rdkafka 0.39 never calls `commit_callback`
//! for it.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use idempotent_core::consumer::SourceError;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{CommitMode, Consumer};

use crate::context::{Callbacks, Said, offsets};
use crate::state::{Commit, Place};

/// How long a partition may take to say where it ends.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Debug)]
pub(crate) enum Request {
    Commit(Vec<Commit>),
    /// Where a partition ends that was just assigned, and in which assignment.
    End(Place, u64),
}

/// Asks one thing after the other.
#[derive(Debug)]
pub(crate) struct Requests {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

impl Requests {
    /// What becomes of a request is said to the thread that polls.
    pub(crate) fn start(
        consumer: Arc<BaseConsumer<Callbacks>>,
        polling: Thread,
    ) -> Result<Self, SourceError> {
        let (requests, asked) = mpsc::channel();
        let run = move || {
            for request in asked {
                if let Some(said) = answer(&consumer, request) {
                    consumer.context().say(said);
                    polling.unpark();
                }
            }
        };
        let thread = thread::Builder::new().name("idempotent-kafka-requests".to_owned());
        let thread = thread.spawn(run).map_err(SourceError::unavailable)?;
        Ok(Self { requests, thread })
    }

    pub(crate) fn ask(&self, request: Request) {
        // It ends only with this.
        let _ = self.requests.send(request);
    }

    /// Ends it, once the last request has an answer.
    pub(crate) fn join(self) {
        drop(self.requests);
        let _ = self.thread.join();
    }
}

fn answer(consumer: &BaseConsumer<Callbacks>, request: Request) -> Option<Said> {
    match request {
        Request::Commit(commits) => {
            let list = offsets(commits.iter().map(|commit| (&commit.place, commit.offset)));
            // An error that only some of the partitions have is not told. Their messages come again, and are replayed.
            let committed = list.and_then(|list| consumer.commit(&list, CommitMode::Sync));
            Some(Said::Committed(committed.map(|()| commits)))
        }
        Request::End(..) if consumer.context().is_closing() => None,
        Request::End(place, epoch) => {
            let (_, end) = consumer.fetch_watermarks(&place.0, place.1, TOLD_WITHIN).ok()?;
            Some(Said::End(place, epoch, end))
        }
    }
}
