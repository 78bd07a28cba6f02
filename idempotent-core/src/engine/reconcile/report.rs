//! [`Reconciliation`]: what one pass found and did.

use std::fmt;
use std::time::Duration;

/// What one pass of a [`Reconciler`](super::Reconciler) found and did. In a dry run, what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// Calls of its operations whose outcome nobody knew, and steps that it asks about. A step counts as a call does below.
    pub found: u64,
    /// Of these, those that were not asked about yet, since their request may be on its way.
    pub settling: u64,
    /// Those that were asked about before, and not again yet.
    pub waiting: u64,
    /// Those that were due, and beyond the [budget](super::Reconciler::asks_per_pass).
    pub over_budget: u64,
    /// Those that were asked about.
    pub asked: u64,
    /// Those that were resolved to a result. Two reconcilers that say the same at the same moment each count it.
    pub ended: u64,
    /// Those that were resolved to *never happened*.
    pub never_happened: u64,
    /// Those of which the other system said for the first time that it knows nothing.
    pub never_once: u64,
    /// Those of which it could not say anything, or did not in time.
    pub unknown: u64,
    /// Those that somebody else has settled meanwhile: their late owner, an operator, or another reconciler.
    pub changed: u64,
    /// Those whose resolution was refused, for instance as one of a wrong type. Each is logged at `ERROR`.
    pub refused: u64,
    /// Calls [in doubt](crate::store::Scan::in_doubt) that it does not ask about: neither about their operation nor about a
    /// step of theirs.
    pub of_others: u64,
    /// For how long the oldest of its calls that is not settled has been in doubt.
    pub oldest: Option<Duration>,
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, asked, ended, never_happened, .. } = self;
        write!(
            f,
            "{found} found, {asked} asked about: {ended} ended, {never_happened} never happened"
        )?;
        for (count, what) in [
            (self.never_once, "said never once"),
            (self.unknown, "unknown"),
            (self.changed, "settled by others"),
            (self.refused, "refused"),
            (self.settling, "settling"),
            (self.waiting, "waiting"),
            (self.over_budget, "over budget"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
