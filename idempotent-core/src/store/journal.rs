//! The [`Journal`] trait: what a store may offer in addition, so that calls resume.

use std::time::Duration;

use async_trait::async_trait;

use super::error::StoreError;
use super::journal_answer::{ResumeOutcome, WriteStepOutcome};
use super::journal_request::{Resume, Suspend, WriteStep};
use crate::model::{RecordId, StepEntry, StepId, Token};

/// The journals of a store: the recorded steps of each call, and calls that can be resumed. A [`Store`](super::Store) that keeps them returns itself
/// from [`journal`](super::Store::journal).
///
/// A journal belongs to one reservation and to the runs that resume it, and its name is the token of the first. It
/// begins with the first [write](Self::write_step), which marks the reservation: from then on its record
/// [says so](crate::model::Record::has_journal), and a store
///
/// * never lets [`reserve`](super::Store::reserve) win over it, until its retention has ended. When its lease lapses it
///   is [`State::Suspended`](super::State::Suspended), unless it is *at most once*;
/// * makes nobody's id vacant by a [`release`](super::Store::release) or an [`abandon`](super::Store::abandon) that does
///   not know of the journal: at most the lease ends now;
/// * drops the journal in the same atomic step in which the record is completed, purged, expired or taken over;
/// * goes by the retention of the record that it has, and by no argument's.
///
/// A reservation with an [input](crate::model::Record::has_input) is suspended likewise when its lease lapses, from its
/// first run on. Once it [has progress](crate::model::Record::has_progress), because a step is recorded or because it was
/// [resumed](Self::resume), no release makes its id vacant.
///
/// As in [`Store`](super::Store), each method is one atomic step, may be repeated, and may arrive late.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The longest time that a [`write_step`](Self::write_step) takes, if the store itself enforces such a limit. The engine
    /// then sets no timer of its own, unless it needs an answer sooner. A store that wraps another asks it. Default: `None`,
    /// no limit, whatever [`Store::response_timeout`](super::Store::response_timeout) says.
    fn response_timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether [`suspend`](Self::suspend) fences by the token of the record that it writes: whoever has the reservation that
    /// is replaced writes no step any more and completes nothing, and whoever saw the new record resumes it. A store that
    /// keeps the token apart from the record must write both. A store that wraps another asks it. Default: `false`;
    /// then [`correct_step`](crate::Idempotency::correct_step) leaves the token as it is, and fences nobody.
    fn fences_by_suspend(&self) -> bool {
        false
    }

    /// Writes one step, if the record is a reservation with this token; and marks the reservation first if it has no
    /// journal yet.
    ///
    /// [`WriteStep::begins`] asks in addition that the lease has not lapsed. Otherwise a late owner may write while
    /// nobody has taken the call, unless its reservation had no journal and went with its lease. Where another run has
    /// taken it, only one thing is still written: an entry that [replaces](super::Replaces) exactly the one that stands
    /// there, so that a late owner settles the step that it began itself. A record that [waits for its
    /// steps](crate::model::Record::waits_for_steps) is then looked at in the same atomic step: once the journal has no
    /// entry that is [begun](crate::model::StepStatus::Begun), the record [says
    /// so](crate::model::Record::with_steps_settled), and a call with an input is due at once.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError>;

    /// Returns the steps of the journal of this name, in no order. Nothing that a fenced owner may still write is
    /// missing.
    ///
    /// # Errors
    ///
    /// If the store fails, or an entry cannot be read.
    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError>;

    /// Takes a suspended call: replaces the record that was seen by a new reservation of the same journal, with a
    /// fresh lease. A call that finds its own token reserved has won.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError>;

    /// Ends a run that its owner does not complete. If the record of that token has a journal, it is replaced by
    /// [`Suspend::suspended`], whose token is the record's from then on (it is another one only where this
    /// [fences](Self::fences_by_suspend)), and otherwise [`Suspend::otherwise`] says what becomes of it. Never touches a completed record. If the new record [waits for its steps](crate::model::Record::waits_for_steps) and the journal has none that is
    /// begun, since they were settled before or [are now](Suspend::settles), it waits for nothing, as in
    /// [`write_step`](Self::write_step).
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError>;
}
