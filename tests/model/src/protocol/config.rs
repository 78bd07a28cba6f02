//! [`Config`]: how large the model is, and which rules hold.

use super::property::Property;
use super::rule::{Rule, Rules};
use super::run::RUNS;

/// How large the model is, and which rules hold.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How many runs there are, from 1 to [`RUNS`].
    pub runs: usize,
    /// How many faults come: crashes, lost and doubled requests, drops, evictions.
    pub faults: u8,
    /// How many bodies end in an error of their own.
    pub errors: u8,
    /// How often the key expires and is won again.
    pub expiries: u8,
    /// Whether the call has an input (`resume = …`), so that recovery can run it.
    pub input: bool,
    /// Whether a client comes with another payload.
    pub other_payload: bool,
    /// How often an operator looks and answers later, when things may have changed.
    pub looks: u8,
    /// Whether only clients of the store act: no operator, no eviction, and a request that the store can
    /// only refuse stays on its way.
    pub clients_only: bool,
    /// The only property that counts, if it is not all of them.
    pub only: Option<Property>,
    /// The rules that hold.
    pub rules: Rules,
}

impl Config {
    /// A model with every rule and without errors, expiries and a second payload.
    ///
    /// # Panics
    ///
    /// If the number of runs is not between 1 and [`RUNS`].
    #[must_use]
    pub const fn new(runs: usize, faults: u8) -> Self {
        assert!(0 < runs && runs <= RUNS);
        Self {
            runs,
            faults,
            errors: 0,
            expiries: 0,
            input: true,
            other_payload: false,
            looks: 0,
            clients_only: false,
            only: None,
            rules: Rules::ALL,
        }
    }

    /// With so many bodies that end in an error of their own.
    #[must_use]
    pub const fn errors(mut self, errors: u8) -> Self {
        self.errors = errors;
        self
    }

    /// With so many expiries of the key.
    #[must_use]
    pub const fn expiries(mut self, expiries: u8) -> Self {
        self.expiries = expiries;
        self
    }

    /// Of a call without `resume`: only the client's retries finish it.
    #[must_use]
    pub const fn without_input(mut self) -> Self {
        self.input = false;
        self
    }

    /// With a client that sends another payload under the same key.
    #[must_use]
    pub const fn other_payload(mut self) -> Self {
        self.other_payload = true;
        self
    }

    /// With an operator who looks so often, and answers later.
    #[must_use]
    pub const fn looks(mut self, looks: u8) -> Self {
        self.looks = looks;
        self
    }

    /// Without operators and evictions, and with every late request: for paths through real stores.
    #[must_use]
    pub const fn clients_only(mut self) -> Self {
        self.clients_only = true;
        self
    }

    /// With eyes for one property only.
    #[must_use]
    pub const fn only(mut self, property: Property) -> Self {
        self.only = Some(property);
        self
    }

    /// Without one of the rules.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.rules = self.rules.without(rule);
        self
    }

    pub(super) const fn has(&self, rule: Rule) -> bool {
        self.rules.has(rule)
    }
}
