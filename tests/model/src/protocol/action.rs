//! [`Action`]: what can happen.

use std::fmt;

use super::request::Request;
use super::run::Kind;

/// One thing that happens. The first field is the number of the run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Somebody starts a run.
    Start(u8, Kind),
    /// The store receives a request, and its sender gets the answer if it still waits.
    Deliver(u8, Request),
    /// As `Deliver`, and the network will deliver the request once more.
    DeliverTwice(u8, Request),
    /// The store commits a write whose check of the token was earlier, where that is not one step.
    Commit(u8, Request),
    /// The sender gives up waiting. The request stays on its way.
    TimeOut(u8, Request),
    /// The run reads the journal.
    Load(u8),
    /// `a` takes effect, or fails without one.
    StepA(u8, bool),
    /// `m` begins.
    BeginM(u8),
    /// The body of `m` takes effect, or fails without one.
    StepM(u8, bool),
    /// `z` takes effect, or fails without one.
    StepZ(u8, bool),
    /// The body ends in the error of a step.
    Fail(u8),
    /// The body ends well.
    Finish(u8),
    /// A run whose lease is over ends.
    Stop(u8),
    /// A step that has started is dropped: a timeout around it.
    Drop(u8, Step),
    /// The process of a run dies.
    Crash(u8),
    /// A run's own clock says that its lease is over.
    OwnLeaseEnds(u8),
    /// A renewal arrives that left before the first journal write.
    StaleRenewal(u8),
    /// The lease is over by the store's clock.
    Lapse,
    /// A suspended call is forgotten while retries still come.
    Forget,
    /// The retention ends long after the last attempt. The flag says that the journal stays behind.
    Expire(bool),
    /// The store evicts the journal alone.
    EvictJournal,
    /// Recovery parks a suspended call after its last attempt.
    Park,
    /// An operator says of a step in doubt that it happened.
    ResolveHappened,
    /// An operator says of a step in doubt that it never happened.
    ResolveNever,
    /// An operator looks at an indeterminate call, and asks the provider.
    Look,
    /// The operator who looked says what happened.
    Answer,
    /// An operator says of a parked call that it never happened, so it may run.
    ResolveCall,
}

/// A step, where an action can be about any.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// The parallel step that is at least once.
    A,
    /// The parallel step that is at most once.
    M,
}

impl Action {
    /// Whether it is a fault, and so need not happen however long one waits.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::DeliverTwice(..)
                | Self::TimeOut(..)
                | Self::Drop(..)
                | Self::Crash(_)
                | Self::EvictJournal
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |well: &bool| if *well { "takes effect" } else { "fails without an effect" };
        match self {
            Self::Start(run, Kind::Client) => write!(f, "run {run} starts: the client retries"),
            Self::Start(run, Kind::OtherPayload) => write!(f, "run {run} starts: another payload"),
            Self::Start(run, Kind::Recovery) => write!(f, "run {run} starts: recovery"),
            Self::Deliver(run, request) => write!(f, "run {run}: the store does {request}"),
            Self::DeliverTwice(run, request) => {
                write!(f, "run {run}: the store does {request}, which will come again")
            }
            Self::Commit(run, request) => write!(f, "run {run}: the store commits {request}"),
            Self::TimeOut(run, request) => write!(f, "run {run}: no answer to {request}"),
            Self::Load(run) => write!(f, "run {run}: loads the journal"),
            Self::StepA(run, well) => write!(f, "run {run}: a {}", ends(well)),
            Self::BeginM(run) => write!(f, "run {run}: asks for m"),
            Self::StepM(run, well) => write!(f, "run {run}: m {}", ends(well)),
            Self::StepZ(run, well) => write!(f, "run {run}: z {}", ends(well)),
            Self::Fail(run) => write!(f, "run {run}: its body fails"),
            Self::Finish(run) => write!(f, "run {run}: answers Ok"),
            Self::Stop(run) => write!(f, "run {run}: stops, its lease is over"),
            Self::Drop(run, Step::A) => write!(f, "run {run}: drops a"),
            Self::Drop(run, Step::M) => write!(f, "run {run}: drops m"),
            Self::Crash(run) => write!(f, "run {run}: crashes"),
            Self::OwnLeaseEnds(run) => {
                write!(f, "run {run}: its clock says that the lease is over")
            }
            Self::StaleRenewal(run) => write!(f, "run {run}: the store does an early renewal"),
            Self::Lapse => f.write_str("the lease lapses"),
            Self::Forget => f.write_str("the suspended call is forgotten too early"),
            Self::Expire(false) => f.write_str("the retention ends"),
            Self::Expire(true) => f.write_str("the retention ends, the journal stays"),
            Self::EvictJournal => f.write_str("the store evicts the journal"),
            Self::Park => f.write_str("recovery parks the call"),
            Self::ResolveHappened => f.write_str("an operator says that m happened"),
            Self::ResolveNever => f.write_str("an operator says that m never happened"),
            Self::Look => f.write_str("an operator looks"),
            Self::Answer => f.write_str("that operator says what happened to m"),
            Self::ResolveCall => f.write_str("an operator says that the call never happened"),
        }
    }
}
