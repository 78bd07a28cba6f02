//! [`GateRules`]: what finds renamed steps, each of which can be left out.

/// What finds renamed and removed steps, and lets honest programs pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GateRules {
    /// A new step waits until every step that the journal expects in its scope has arrived.
    pub gate: bool,
    /// A scope does not end well while expected steps were not asked for.
    pub end_of_scope: bool,
    /// A write names the steps that failed before it, so that they are not new later.
    pub tried_marks: bool,
    /// A failed step is named by every write until one that named it was acknowledged: writes that are
    /// under way together may be done in any order, or one of them alone.
    pub tried_until_acknowledged: bool,
    /// A step that is dropped after it started ends the run.
    pub drop_poison: bool,
    /// A step of a resumed run that is dropped while it waits, before it started, ends the run too:
    /// the steps after it would be recorded, and it would be new for ever.
    pub waiting_poison: bool,
    /// The gate's patience does not run out while the body of a step runs, or while something is written:
    /// what is expected may come after it.
    pub patient: bool,
    /// In a resumed run, a step that is not recorded lets the steps beside it arrive before its body
    /// starts: a body that fails at once may drop them, and then nobody asks for what they recorded.
    pub yields: bool,
}

impl GateRules {
    /// All of them.
    pub const ALL: Self = Self {
        gate: true,
        end_of_scope: true,
        tried_marks: true,
        tried_until_acknowledged: true,
        drop_poison: true,
        waiting_poison: true,
        patient: true,
        yields: true,
    };
}
