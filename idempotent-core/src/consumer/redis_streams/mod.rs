//! Redis Streams as the source of a consumer.
//!
//! [`RedisStreamSource`] reads a consumer group. What it checks before its first delivery is in `start`, what a
//! message's id is in `received`, and each of the broker's verbs has a file: `acknowledge`, `redeliver`,
//! `dead_letter`, `progress`; `verdict` chooses among them. `pull` reads new entries and claims those that others have
//! left, `group` is this source's place in the group, and `trimmed` says what was lost.
//!
//! | verdict | what is sent |
//! |---|---|
//! | [`Completed`](super::Verdict::Completed) | `XACK` |
//! | [`Busy`](super::Verdict::Busy), [`Retry`](super::Verdict::Retry) | `XCLAIM … IDLE … JUSTID`, so that what is left until [`min_idle`](RedisStreamSource::min_idle) is the delay; one that is longer is noted |
//! | [`Parked`](super::Verdict::Parked) | `XADD` to the dead letters under its id, and `XACK`: one script where both keys are in one slot, else in that order; only while the entry is this source's |
//! | [`GivenBack`](super::Verdict::GivenBack) | `XCLAIM … IDLE … JUSTID`, with a day |
//! | [`Left`](super::Verdict::Left) | nothing |
//! | kept alive | `XCLAIM … JUSTID`, at a third of `min_idle` |
//!
//! `XCLAIM` takes an entry from whoever has it, so it is sent only while `XPENDING` shows this source's consumer and this
//! delivery's number, in one script. `XACK` does not ask whose an entry is, and is sent only once the store says that the message is completed.

mod acknowledge;
mod dead_letter;
mod field_names;
mod group;
mod pending;
mod progress;
mod pull;
mod received;
mod redeliver;
mod scripts;
mod shared;
mod source;
mod start;
mod trimmed;
mod verdict;

pub use self::field_names::{ATTEMPTS, CONSUMER, ERROR, MESSAGE_ID, POSITION, REASON, STREAM};
pub use self::group::StartAt;
pub use self::source::RedisStreamSource;
