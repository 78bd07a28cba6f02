//! [`State`]: everything at one moment.

use std::fmt;

use super::journal::{Journal, Once};
use super::property::Property;
use super::record::Record;
use super::run::{RUNS, Run};

/// The store, the runs with their requests on the way, and what has happened outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    /// The record of the one key that there is.
    pub record: Record,
    /// The journal that belongs to it.
    pub journal: Journal,
    /// The journal of an earlier call, which its record left behind.
    pub leftover: Journal,
    /// Every run so far, in the order of their start.
    pub runs: [Run; RUNS],
    /// The effects that the steps had for this call.
    pub effects: Effects,
    /// How many calls the key had before this one, each long forgotten.
    pub era: u8,
    /// How many faults may still come.
    pub faults: u8,
    /// How many bodies may still end in an error of their own.
    pub errors: u8,
    /// What an operator looked at and has not answered.
    pub seen: Option<Seen>,
    /// How often an operator may look before answering.
    pub looks: u8,
    /// What the last action broke.
    pub broken: Option<Property>,
}

/// What has happened outside. The derived key of a step is the same for every run of its record, so a
/// provider counts the effects of an at-least-once step as none or one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Effects {
    /// Whether `a` took effect.
    pub a: bool,
    /// How often `m` took effect, up to two.
    pub m: u8,
    /// Whether `z` took effect.
    pub z: bool,
}

/// What an operator saw of an indeterminate call, and found out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    /// The record's token.
    pub token: u8,
    /// What the journal said of `m`.
    pub m: Once,
    /// Whether `m` had happened.
    pub happened: bool,
}

impl State {
    /// Notes what was broken; the first one counts.
    pub(super) fn broke(&mut self, property: Property) {
        self.broken.get_or_insert(property);
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.record, self.journal)?;
        let Effects { a, m, z } = self.effects;
        write!(f, " effects a{} m{m} z{}", u8::from(a), u8::from(z))
    }
}
