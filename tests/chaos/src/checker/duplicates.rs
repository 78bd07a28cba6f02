//! Second effects of a key, and what caused each.

use serde::Serialize;

use super::verdict::Fault;
use super::{Effects, History, IncidentKind, Rules, Span};
use crate::ledger::{Effect, EffectId, Said};
use crate::row::Promise;
use crate::timestamp::Timestamp;

/// An effect of a key that had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Duplicate {
    /// The key.
    pub key: u32,
    /// The effect that should have been the only one.
    pub first: EffectId,
    /// The one that came after it.
    pub second: EffectId,
    /// Why the first did not keep the second from happening.
    pub cause: Cause,
}

/// Why an effect did not keep another from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// Its owner was killed before anybody had its answer, and the second began after that.
    OwnerKilled,
    /// One of the two owners stood still for a time in between.
    OwnerPaused,
    /// A server was not as it should be in between.
    ServerFault,
    /// Nothing that was done explains it.
    Unexplained,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::OwnerKilled, Self::OwnerPaused, Self::ServerFault, Self::Unexplained];

    /// It in a few words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnerKilled => "owner killed",
            Self::OwnerPaused => "owner paused",
            Self::ServerFault => "server fault",
            Self::Unexplained => "unexplained",
        }
    }

    /// Whether a row with this promise allows it.
    fn is_allowed_by(self, promise: Promise) -> bool {
        match promise {
            Promise::NoDuplicates => false,
            Promise::OwnersLost => matches!(self, Self::OwnerKilled | Self::OwnerPaused),
            Promise::FaultsOnly => self != Self::Unexplained,
        }
    }
}

pub(super) fn find(history: &History, effects: &Effects, rules: &Rules) -> Vec<Duplicate> {
    let mut found = Vec::new();
    for (&key, of_key) in effects {
        for pair in of_key.windows(2) {
            let (first, second) = (&pair[0], &pair[1]);
            let cause = cause(history, first, second, rules);
            found.push(Duplicate { key, first: first.id, second: second.id, cause });
        }
    }
    found
}

pub(super) fn judge(duplicates: &[Duplicate], rules: &Rules, faults: &mut Vec<Fault>) {
    let broken = duplicates.iter().filter(|found| !found.cause.is_allowed_by(rules.promise));
    faults.extend(broken.map(|&duplicate| Fault::Duplicate(duplicate)));
}

fn cause(history: &History, first: &Effect, second: &Effect, rules: &Rules) -> Cause {
    // A lease that was renewed just before something began to go wrong ends so long after it; and
    // the answer that a fault swallowed may be that of the reservation, before the body began.
    let between = Span { from: first.began.before(rules.lease), to: second.at };
    let owners = [first.id.process(), second.id.process()];
    let killed = killed_at(history, first).is_some_and(|at| {
        first.began <= at && at <= second.began && !has_answered(history, first.id)
    });
    let paused = history.incidents.iter().any(|incident| match incident.what {
        IncidentKind::Paused(span) => owners.contains(&incident.process) && span.meets(between),
        IncidentKind::Killed(_) | IncidentKind::PoolHeld(_) => false,
    });
    if killed {
        Cause::OwnerKilled
    } else if paused {
        Cause::OwnerPaused
    } else if history.outages.iter().any(|outage| outage.meets(between)) {
        Cause::ServerFault
    } else {
        Cause::Unexplained
    }
}

fn killed_at(history: &History, effect: &Effect) -> Option<Timestamp> {
    history.incidents.iter().find_map(|incident| match incident.what {
        IncidentKind::Killed(at) if incident.process == effect.id.process() => Some(at),
        _ => None,
    })
}

/// Whether anybody got this effect as an answer: then its record stood.
fn has_answered(history: &History, id: EffectId) -> bool {
    history.answers.iter().any(|(_, answer)| match answer.said {
        Said::Executed(effect) | Said::Replayed(effect) => effect == id,
        Said::Declined | Said::Refused(_) => false,
    })
}
