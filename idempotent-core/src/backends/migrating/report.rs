//! [`MoveReport`]: what a pass of a mover did and left.

/// What a pass of a [`Mover`](super::Mover) did, and what is left in the old store.
///
/// ```
/// use idempotent_core::backends::MoveReport;
///
/// let mut report = MoveReport::default();
/// report.copied = 3;
/// assert!(report.is_done());
/// report.indeterminate = 1;
/// assert_eq!((report.is_done(), report.left()), (false, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MoveReport {
    /// Results that were copied; in a pass that only looks, those that would be.
    pub copied: u64,
    /// Results that the new store had already.
    pub already_there: u64,
    /// Copies that were replaced, since the result was corrected in the old store.
    pub corrected: u64,
    /// Copies that were taken back, since the record was purged meanwhile.
    pub taken_back: u64,
    /// Indeterminate reservations in the new store that gave way to the result of another attempt. Their owner most likely
    /// died before it looked into the old store, and nothing has run. If its lease lapsed while it ran, its effect may have
    /// happened beside the one of which this is the result: each is logged as a warning, with its id and token.
    pub replaced: u64,
    /// Left: calls that run, or whose owner died so recently that their lease has not lapsed.
    pub running: u64,
    /// Left: calls with steps or an input that nobody runs. They resume in the old store alone.
    pub suspended: u64,
    /// Left: calls whose outcome nobody knows. [Resolve](crate::Idempotency::resolve) them: the next pass copies the result.
    pub indeterminate: u64,
    /// Left: keys of which the new store has another call, which runs or has not lapsed. The next pass tries again.
    pub busy: u64,
    /// Left: keys for which both stores have the result of another run, after a lease that lapsed while its owner still
    /// ran. The new store's is replayed once the old one is not asked; purge the other one.
    pub conflicts: u64,
    /// Left: what the old store cannot read.
    pub unreadable: u64,
    /// Left: results of which the old store does not tell how long they are kept.
    pub without_expiry: u64,
}

impl MoveReport {
    /// How many records are left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.running
            + self.suspended
            + self.indeterminate
            + self.busy
            + self.conflicts
            + self.unreadable
            + self.without_expiry
    }

    /// Adds what another part of the pass did.
    pub(super) const fn add(&mut self, other: &Self) {
        self.already_there += other.already_there;
        self.add_done(other);
        self.running += other.running;
        self.suspended += other.suspended;
        self.indeterminate += other.indeterminate;
        self.busy += other.busy;
        self.conflicts += other.conflicts;
        self.unreadable += other.unreadable;
        self.without_expiry += other.without_expiry;
    }

    /// Adds what was done in a part of the pass that failed, and that is looked at again.
    pub(super) const fn add_done(&mut self, other: &Self) {
        self.copied += other.copied;
        self.corrected += other.corrected;
        self.taken_back += other.taken_back;
        self.replaced += other.replaced;
    }

    /// How many of the records that are left stay so until somebody does something about them: another pass alone does not
    /// help. Calls that run end, and those that are indeterminate may be resolved by other means meanwhile.
    #[must_use]
    pub const fn stuck(&self) -> u64 {
        self.suspended + self.conflicts + self.unreadable + self.without_expiry
    }

    /// Whether nothing was left in the pass.
    ///
    /// If every process was in [`New`](super::MigrationMode::New), and the longest lease had passed, when the pass began,
    /// then nobody needs the old store any more. While one is in [`Both`](super::MigrationMode::Both), it writes results to
    /// the old store behind the place that the pass has reached, and may die before it has written them to the new one.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.left() == 0
    }
}
