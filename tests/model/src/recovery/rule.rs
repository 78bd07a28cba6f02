//! [`Rule`]: what the design demands of recovery, each of which can be left out.

/// A rule. Without it the search finds a violation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Rule {
    /// A claim compares the record with the one that was seen.
    ClaimCompares,
    /// A worker asks its own clock between the answer to its claim and the body.
    ClockBeforeBody,
    /// An attempt counts when the call is claimed, and not when its run ends: a call that kills its process has no end.
    CountsAtClaim,
    /// A call that was claimed too often is parked.
    Parks,
    /// Parking compares the token.
    ParkCompares,
    /// A parked call is not due. With [`ParkedRefusesClaims`](Self::ParkedRefusesClaims) this only spares recoveries the look.
    ParkedNotDue,
    /// The store refuses to have a parked call claimed, also by whoever has seen it parked.
    ParkedRefusesClaims,
    /// With a newly recorded step the attempts begin anew.
    ProgressCounts,
    /// A run that ends because the store failed is no attempt.
    OutageNotCounted,
    /// A claim whose answer was lost is given back, and is no attempt.
    LostAnswerGivenBack,
    /// A build that does not know the call's steps gives it back, and that is no attempt.
    RefusalNotCounted,
    /// A run of the client takes no attempt away, however it ends.
    RetryNotCounted,
    /// A claim leaves the call due, only later, for the case that the worker dies.
    ClaimStaysDue,
    /// A run that was interrupted is due again.
    InterruptedDue,
    /// A call whose body ended in its own error is not due.
    ErrorNotDue,
    /// An operator's word begins the attempts anew.
    ResumedAnew,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 16] = [
        Self::ClaimCompares,
        Self::ClockBeforeBody,
        Self::CountsAtClaim,
        Self::Parks,
        Self::ParkCompares,
        Self::ParkedNotDue,
        Self::ParkedRefusesClaims,
        Self::ProgressCounts,
        Self::OutageNotCounted,
        Self::LostAnswerGivenBack,
        Self::RefusalNotCounted,
        Self::RetryNotCounted,
        Self::ClaimStaysDue,
        Self::InterruptedDue,
        Self::ErrorNotDue,
        Self::ResumedAnew,
    ];
}
