//! [`Member`]: what waits to leave in a group, with [its caller](Queued) and [what it is told](Verdict).

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backends::shared::notify::Hash;
use crate::store::StoreError;

/// What can leave together with others of its kind.
pub(super) trait Member: Send + Sync + Sized + 'static {
    /// What its caller is told.
    type Answer: Send + 'static;

    /// The id that it is about, unless any number of members may be about the same.
    fn unique_hash(&self) -> Option<&Hash>;

    /// The call that no other group may be about while one with this member is under way.
    fn exclusive_call(&self) -> Option<&Hash>;

    /// About how many bytes it sends.
    fn bytes(&self) -> usize;

    /// Whether it overtakes those that are not.
    fn is_urgent(&self) -> bool;
}

/// How a group has ended for one of its members.
pub(super) enum Verdict<T> {
    Answer(T),
    /// It has to be asked for alone. It may have taken effect already.
    Singly,
    /// The server cannot be reached, or did not answer in time.
    Failed(StoreError),
}

/// A member, and its caller.
pub(super) struct Queued<M: Member> {
    pub(super) member: M,
    /// When its caller gives up.
    pub(super) deadline: Instant,
    answer: oneshot::Sender<Verdict<M::Answer>>,
}

impl<M: Member> Queued<M> {
    /// A member, and where its caller is answered.
    pub(super) fn new(
        member: M,
        deadline: Instant,
    ) -> (Self, oneshot::Receiver<Verdict<M::Answer>>) {
        let (answer, answered) = oneshot::channel();
        (Self { member, deadline, answer }, answered)
    }

    /// Whether its caller was dropped, or has given up.
    pub(super) fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, verdict: Verdict<M::Answer>) {
        // Fails if the caller was dropped.
        let _ = self.answer.send(verdict);
    }
}
