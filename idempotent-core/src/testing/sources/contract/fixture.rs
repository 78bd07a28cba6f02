//! What the cases share: connections, and waiting for deliveries.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::subject::SourceSubject;
use crate::consumer::{Delivery, Needs, ParkReason, Source, Terms, Verdict};

/// A subject under test.
pub(super) struct Fixture {
    subject: Arc<dyn SourceSubject>,
}

/// A connection that has started.
pub(super) struct Connection {
    source: Box<dyn Source>,
    patience: Duration,
    pub(super) terms: Terms,
}

pub(super) const ID: &str = "message-1";
/// How often a verdict is told at most.
const MOST_TRIES: usize = 4;

impl Fixture {
    pub(super) fn new(subject: Arc<dyn SourceSubject>) -> Self {
        Self { subject }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.subject.deadline()
    }

    /// How soon a message comes that is delivered at once: one that is delivered after its deadline comes later.
    pub(super) fn at_once(&self) -> Duration {
        self.deadline().mul_f64(0.9)
    }

    pub(super) fn gives_ids(&self) -> bool {
        self.subject.gives_ids()
    }

    pub(super) fn keeps_to_one_connection(&self) -> bool {
        self.subject.keeps_to_one_connection()
    }

    /// How soon a message that is given up comes to another connection.
    pub(super) fn taken_over_within(&self) -> Duration {
        match self.keeps_to_one_connection() {
            // Its connection has to be gone.
            true => self.subject.patience(),
            false => self.at_once(),
        }
    }

    pub(super) async fn connect(&self) -> Connection {
        let mut source = self.subject.connect().await;
        let needs = Needs::of("contract").attempts(3).concurrency(8);
        let terms = source.start(&needs).await.expect("the source starts");
        Connection { source, patience: self.subject.patience(), terms }
    }

    pub(super) async fn publish(&self, id: impl Into<Option<&str>>, payload: &[u8]) {
        self.subject.publish(id.into(), payload).await;
    }

    pub(super) async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        self.subject.parked().await
    }

    /// A delivery must not have come sooner than this long after that moment. A machine under load only makes it later.
    pub(super) fn assert_since(&self, moment: Instant, least: Duration) {
        let came_after = moment.elapsed();
        assert!(came_after >= least.mul_f64(0.9), "it came after {came_after:?}, not {least:?}");
    }

    /// Lets deadlines pass, this many times.
    pub(super) async fn pass(&self, deadlines: f64) {
        sleep(self.deadline().mul_f64(deadlines)).await;
    }
}

impl Connection {
    /// The next delivery, which must come.
    pub(super) async fn next(&mut self) -> Delivery {
        self.next_of(1).await
    }

    /// The next delivery, with room for so many.
    pub(super) async fn next_of(&mut self, room: usize) -> Delivery {
        let room = NonZeroUsize::new(room).expect("there is room");
        let next = timeout(self.patience, self.source.next(room)).await;
        next.expect("a message is delivered").expect("the broker is there")
    }

    /// The next delivery, if one comes within this time.
    pub(super) async fn next_within(&mut self, limit: Duration) -> Option<Delivery> {
        let next = timeout(limit, self.source.next(NonZeroUsize::MIN)).await.ok()?;
        Some(next.expect("the broker is there"))
    }

    pub(super) async fn stop(&mut self) {
        self.source.stop().await.expect("the source stops");
    }
}

/// Tells the broker, which must confirm. A source gives up a slow one after some seconds, and is asked again, as consumers do.
pub(super) async fn settle(delivery: &Delivery, verdict: &Verdict) {
    let mut told = delivery.settle(verdict).await;
    for _ in 1..MOST_TRIES {
        if told.is_ok() {
            return;
        }
        told = delivery.settle(verdict).await;
    }
    told.expect("the broker confirms");
}

/// A message that is parked.
pub(super) fn parked() -> Verdict {
    Verdict::parked(ParkReason::Permanent, "it is no good")
}
