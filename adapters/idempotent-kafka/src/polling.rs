//! [`Polling`]: the thread that polls the client.
//!
//! A thread, and no task, so that handlers which block the runtime do not keep it from polling: a member that does not
//! poll loses its partitions. Each partition has a queue of its own. One that may receive nothing is not read from, so its
//! messages wait in the client, and what is received of the others goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use idempotent_core::consumer::SourceError;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::{BaseConsumer, PartitionQueue};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::context::{Callbacks, Said, assign, listed, unassign};
use crate::group::{FLUSHED_WITHIN, Group};
use crate::received::Reading;
use crate::refusals::{has_moved_on, is_refusal, of_client, of_partition};
use crate::requests::{Request, Requests};
use crate::state::{Place, Stage, in_turn};

/// How long the client is not asked at most whether something has happened. It wakes the thread as a rule.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How soon a commit is tried again that is waited for.
const COMMIT_AGAIN: Duration = Duration::from_millis(100);

/// What the thread is told.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) topics: Vec<String>,
    pub(crate) reading: Reading,
    pub(crate) commit_every: Duration,
    pub(crate) drain_within: Duration,
}

/// A member of a consumer group, on its thread.
pub(crate) struct Polling {
    consumer: Arc<BaseConsumer<Callbacks>>,
    group: Arc<Group>,
    plan: Plan,
    queues: BTreeMap<Place, PartitionQueue<Callbacks>>,
    revocation: Option<Revocation>,
    commits: Requests,
    /// Of where partitions end. They do not hold up commits.
    ends: Requests,
    /// There is one commit at a time, so that none overtakes another.
    is_committing: bool,
    commit_at: Instant,
    /// The same for one that is waited for, and was refused.
    commit_again_at: Instant,
    /// Until when a last commit is waited for, once the source stops and nothing is in hand.
    flush_until: Option<Instant>,
    /// When the group is left once the source is dropped, whatever is in hand.
    abandon_at: Option<Instant>,
    /// The place that a message was last received from, so that each has its turn.
    last: Option<Place>,
    /// Told once the group has assigned something, or refused this member.
    joined: Option<oneshot::Sender<Result<(), SourceError>>>,
}

/// Partitions that the group wants back.
struct Revocation {
    places: Vec<Place>,
    drain_until: Instant,
    flush_until: Option<Instant>,
}

/// Whatever becomes of the thread, nobody waits for it.
struct LeavesOnDrop(Arc<Group>);

impl Drop for LeavesOnDrop {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(SourceError::gone("the thread that polls the broker has panicked"));
        }
        self.0.has_left();
    }
}

/// The client of a consumer, which wakes this thread.
pub(crate) fn client(config: &ClientConfig) -> KafkaResult<BaseConsumer<Callbacks>> {
    let created = config.create_with_context(Callbacks::default());
    let mut consumer: BaseConsumer<Callbacks> = created?;
    let this = thread::current();
    consumer.set_nonempty_callback(move || this.unpark());
    Ok(consumer)
}

impl Polling {
    /// Joins the group.
    pub(crate) fn new(
        consumer: BaseConsumer<Callbacks>,
        group: Arc<Group>,
        plan: Plan,
        joined: oneshot::Sender<Result<(), SourceError>>,
    ) -> Result<Self, SourceError> {
        let topics: Vec<&str> = plan.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(of_client)?;
        let consumer = Arc::new(consumer);
        let commits = Requests::start(Arc::clone(&consumer), thread::current())?;
        let ends = Requests::start(Arc::clone(&consumer), thread::current())?;
        Ok(Self {
            consumer,
            group,
            plan,
            queues: BTreeMap::new(),
            revocation: None,
            commits,
            ends,
            is_committing: false,
            commit_at: Instant::now(),
            commit_again_at: Instant::now(),
            flush_until: None,
            abandon_at: None,
            last: None,
            joined: Some(joined),
        })
    }

    /// Polls until the source stops and nothing is in hand, commits, and leaves the group.
    pub(crate) fn run(mut self) {
        let group = Arc::clone(&self.group);
        let _leaves = LeavesOnDrop(group);
        while !self.is_done() {
            self.poll();
            self.give_up();
            self.go_back();
            self.receive();
            self.commit();
            let due = self.group.announce();
            let pause = due.map(|due| due.saturating_duration_since(Instant::now()));
            thread::park_timeout(pause.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE));
        }
        self.finish_revocation();
        self.consumer.context().closes();
        let Self { consumer, queues, commits, ends, is_committing, .. } = self;
        if !is_committing {
            commits.join();
        }
        ends.join();
        // The client is closed with the last who has it, which is this as a rule.
        drop((queues, consumer));
    }

    /// Whether the source has stopped, and all of it is settled and committed.
    fn is_done(&mut self) -> bool {
        if self.group.stage() < Stage::Stopping {
            return false;
        }
        let now = Instant::now();
        if self.group.in_hand() > 0 {
            // The group would wait for it for ever.
            if !self.group.is_abandoned() {
                return false;
            }
            let until = now + self.plan.drain_within;
            if now < *self.abandon_at.get_or_insert(until) {
                return false;
            }
        }
        let until = *self.flush_until.get_or_insert(now + FLUSHED_WITHIN);
        let is_flushed = !self.is_committing && self.group.to_commit().is_empty();
        is_flushed || now >= until
    }

    // --- What the client says.

    fn poll(&mut self) {
        // Once more than there is something, since what is consumed within the client looks like nothing.
        let mut idle = 0;
        while idle < 2 {
            match self.consumer.clone().poll(Duration::ZERO) {
                Some(Ok(record)) => self.take_in(&record),
                Some(Err(error)) => self.failed(&error),
                None => idle += 1,
            }
            while let Some(said) = self.consumer.context().next() {
                idle = 0;
                self.heard(said);
            }
        }
    }

    fn heard(&mut self, said: Said) {
        match said {
            Said::Assigned(places) => self.assigned(places),
            Said::Revoked(places) => {
                self.finish_revocation();
                self.group.close(&places);
                let drain_until = Instant::now() + self.plan.drain_within;
                self.revocation = Some(Revocation { places, drain_until, flush_until: None });
            }
            Said::End(place, epoch, end) => self.group.ended(&place, epoch, end),
            Said::Committed(Ok(commits)) => {
                self.is_committing = false;
                self.commit_again_at = Instant::now();
                self.group.committed(&commits);
            }
            Said::Committed(Err(error)) => {
                self.is_committing = false;
                if let (true, Some(revocation)) = (has_moved_on(&error), &mut self.revocation) {
                    revocation.flush_until = Some(Instant::now());
                }
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "offsets could not be committed");
            }
        }
    }

    fn failed(&mut self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        let dynamic = error as &dyn std::error::Error;
        if let Some(failure) = of_partition(error) {
            tracing::warn!(error = dynamic, "a partition cannot be read");
            return self.group.fail(failure);
        }
        match error {
            KafkaError::MessageConsumptionFatal(_) => {
                let text = format!("the client cannot go on: {error}");
                self.group.fail(SourceError::gone(text));
            }
            _ if code == Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::warn!("this process was away for longer than `max.poll.interval.ms`");
            }
            _ if is_refusal(code) => {
                let refused = Err(of_client(error.clone()));
                // Later, or where joining has taken too long, those are told who wait for messages: the client may not say it again.
                if self.joined.take().is_none_or(|joined| joined.send(refused).is_err()) {
                    self.group.fail(SourceError::unavailable(error.clone()));
                }
            }
            _ if code == Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.group.fail(SourceError::unavailable(error.clone()));
            }
            _ => tracing::debug!(error = dynamic, "the consumer of Kafka has an error"),
        }
    }

    // --- Assignments.

    fn assigned(&mut self, places: Vec<Place>) {
        // Before they are assigned, so that no message comes another way.
        for (topic, partition) in &places {
            let Some(mut queue) = self.consumer.split_partition_queue(topic, *partition) else {
                continue;
            };
            let this = thread::current();
            queue.set_nonempty_callback(move || this.unpark());
            self.queues.insert((Arc::clone(topic), *partition), queue);
        }
        let list = listed(&places);
        tracing::info!(partitions = places.len(), "partitions are assigned");
        let epochs: Vec<u64> =
            places.iter().map(|place| self.group.assign(place.clone())).collect();
        if let Err(error) = assign(&self.consumer, &list) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "partitions could not be assigned");
        }
        for (place, epoch) in places.into_iter().zip(epochs) {
            self.ends.ask(Request::End(place, epoch));
        }
        if let Some(joined) = self.joined.take() {
            let _ = joined.send(Ok(()));
        }
    }

    /// Gives up what is revoked, once nothing of it is in hand and that is committed; at once, if it is lost.
    fn give_up(&mut self) {
        let Some(revocation) = &mut self.revocation else { return };
        let (now, places) = (Instant::now(), &revocation.places);
        let is_drained = self.group.in_hand_of(places) == 0 || now >= revocation.drain_until;
        if is_drained {
            revocation.flush_until.get_or_insert(now + FLUSHED_WITHIN);
        }
        let is_over = revocation.flush_until.is_some_and(|until| now >= until);
        let is_flushed = || {
            let commits = self.group.to_commit();
            !self.is_committing && !commits.iter().any(|it| places.contains(&it.place))
        };
        if self.consumer.assignment_lost() || (is_drained && (is_over || is_flushed())) {
            self.finish_revocation();
        }
    }

    fn finish_revocation(&mut self) {
        let Some(Revocation { places, .. }) = self.revocation.take() else { return };
        let (lost, in_hand) = (self.consumer.assignment_lost(), self.group.in_hand_of(&places));
        tracing::info!(partitions = places.len(), lost, in_hand, "partitions are given up");
        self.group.revoke(&places);
        for place in &places {
            self.queues.remove(place);
        }
        if let Err(error) = unassign(&self.consumer, &listed(&places)) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "partitions could not be given up");
        }
    }

    // --- Messages.

    /// One message of each partition in turn, as long as there is room.
    fn receive(&mut self) {
        let mut errors = Vec::new();
        let mut is_idle = false;
        while !is_idle {
            is_idle = true;
            for place in in_turn(self.queues.keys(), self.last.as_ref()) {
                if self.group.room() == 0 {
                    break;
                }
                let Some(queue) = self.queues.get(&place) else { continue };
                if !self.group.may_receive(&place) {
                    continue;
                }
                match queue.poll(Duration::ZERO) {
                    Some(Ok(record)) => {
                        self.take_in(&record);
                        self.last = Some(place);
                        is_idle = false;
                    }
                    Some(Err(error)) => errors.push(error),
                    None => {}
                }
            }
        }
        errors.iter().for_each(|error| self.failed(error));
    }

    /// Goes back to where the state asks for it, and tries again later where that cannot be begun now. What the client has
    /// in its queues of these partitions does not come any more once it has begun.
    fn go_back(&self) {
        for (place, offset) in self.group.back_to() {
            let (topic, partition) = &place;
            match self.consumer.seek(topic, *partition, Offset::Offset(offset), Duration::ZERO) {
                Ok(()) => self.group.is_back(&place),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the client cannot go back yet");
                }
            }
        }
    }

    fn take_in(&self, record: &BorrowedMessage<'_>) {
        use rdkafka::Message as _;
        let place = (record.topic().into(), record.partition());
        self.group.receive(&place, record.offset(), self.plan.reading.read(record));
    }

    // --- Commits.

    fn commit(&mut self) {
        // While it is waited for, each message may be the last one.
        let is_waited_for = self.revocation.is_some() || self.group.stage() >= Stage::Stopping;
        let due = if is_waited_for { self.commit_again_at } else { self.commit_at };
        let now = Instant::now();
        if self.is_committing || now < due {
            return;
        }
        let commits = self.group.to_commit();
        if commits.is_empty() {
            return;
        }
        self.commit_at = now + self.plan.commit_every;
        self.commit_again_at = now + COMMIT_AGAIN;
        self.is_committing = true;
        self.commits.ask(Request::Commit(commits));
    }
}

#[cfg(test)]
mod tests;
