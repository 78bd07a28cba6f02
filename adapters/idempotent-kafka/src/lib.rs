//! Kafka as a source of [`idempotent_core`]'s consumers: a message takes effect once.
//!
//! [`KafkaSource`] reads topics as a member of a consumer group. Give it to
//! [`Consumer::run`](idempotent_core::consumer::Consumer::run).
//!
//! | verdict | what happens |
//! |---|---|
//! | [`Completed`](Verdict::Completed) | the message is marked. The lowest unmarked offset of each partition is committed, every [second](KafkaSource::commit_every). What was marked and not committed is delivered again after a crash, and replayed |
//! | [`Busy`](Verdict::Busy), [`Retry`](Verdict::Retry) | the message is held here, and delivered again after its pause. With a [retry topic](KafkaSource::retry_topic), a failed one is produced there, confirmed by all replicas in sync, and then marked |
//! | [`Parked`](Verdict::Parked) | a copy is produced to the [dead letters](KafkaSource::dead_letters), confirmed by all replicas in sync; then the message is marked |
//! | [`GivenBack`](Verdict::GivenBack) | nothing: its offset is not committed. While the source runs, it is delivered again at once |
//! | [`Left`](Verdict::Left) | the message is held for the source's [deadline](KafkaSource::deadline), if the partition is still this worker's |
//! | kept alive | nothing: the group waits for as long as the member polls, and a thread of its own does that |
//!
//! **Offsets.** None is committed beyond an unfinished message, and none goes back, unless the client does: after a reset to
//! the earliest message, such as when a partition has lost its end, its messages come again from there, and what was in hand
//! commits nothing. Whatever has become of a message
//! of a partition that was revoked commits nothing, also when the same partition comes back.
//!
//! **One stuck message** stops the offset of its partition, but not the partition: messages of other keys go on until
//! the partition is [so far ahead](KafkaSource::max_ahead). Then it waits, and the other partitions go on.
//!
//! **Rebalances**, eager and cooperative: of a partition that the group wants back nothing more is started; what is in hand may finish
//! [within a limit](KafkaSource::drain_within), while polling goes on; that is committed; then the partition is given
//! up. A partition that is lost, since this process was frozen, is given up at once and commits nothing.
//!
//! **While the store is away**, consumers receive nothing more and the source goes on polling, so it stays in its group.
//!
//! **When the source stops**, what has not started is left alone, what is in hand is settled and committed, and then the
//! member leaves its group. That is waited for, up to four seconds.
//!
//! **Attempts** are counted in the consumer's store, by topic, partition and offset: Kafka counts no deliveries. Of messages
//! that were produced after their partition was assigned to this worker, the source counts them itself, so that the store is not asked.
//! For others, such as after a start with a backlog, each message costs some requests more.
//!
//! # How this is tested, and what that cannot show
//!
//! The tests run on the mock cluster of librdkafka 2.12.1, which speaks the protocol over TCP and runs in the test's own
//! process. No broker of Kafka has seen this source yet. The mock cluster differs from one as follows, seen or read in
//! its source:
//!
//! | the mock cluster | so this is not shown |
//! |---|---|
//! | has one replica of everything, and takes `acks=all` for written | that a confirmed copy outlives its leader |
//! | says yes to transactions, fences no producer, and keeps no aborted messages apart | `read_committed`, and gaps of transactions; gaps are tested on the tracker alone |
//! | compacts nothing, and forgets the oldest messages of a partition that has 5 MB or 100,000 of them | offsets that are out of range, a partition that has lost its end |
//! | elects no leaders by itself, and loses nothing when one changes | failovers |
//! | waits for the whole session timeout, less a second, in each rebalance of a group that is there or was, and 3 seconds in the first one; turns down a member that asks for its assignment after the leader has given it out, which joins again | how long rebalances take |
//! | refuses commits from the moment in which another member joins; a broker takes them until all members have joined again | that an eager rebalance commits what was in hand. A cooperative one is shown |
//! | knows no static members, so that one which comes back is another one, and asks nobody for a password | `group.instance.id`, authentication, authorization |
//! | has no quotas, no `max.message.bytes` of a topic, no `min.insync.replicas` | refused copies, but for errors that tests inject |
//! | was not tried with the protocol `consumer` (KIP-848) | groups of that kind, which are refused |
//!
//! The client, too: rdkafka 0.39 tells nobody how a commit ended that was not waited for, so the source waits for it on a
//! thread of its own. A member that has not polled for `max.poll.interval.ms` leaves its group by itself, and its commits fail even before the
//! poll that says so. That is librdkafka's behaviour with any broker.

mod client_config;
mod context;
mod copies;
mod group;
mod header_names;
mod offsets;
mod partition;
mod polling;
mod publisher;
mod received;
mod refusals;
mod requests;
mod settings;
mod source;
mod start;
mod state;
mod verdict;

#[cfg(doc)]
use idempotent_core::consumer::Verdict;
/// The client, whose configuration [`KafkaSource::new`] takes.
pub use rdkafka;

pub use self::header_names::{
    ATTEMPTS, CONSUMER, DUE, ERROR, ID, PARKED_AT, POSITION, REASON, TOMBSTONE, TOPIC,
};
pub use self::source::KafkaSource;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
