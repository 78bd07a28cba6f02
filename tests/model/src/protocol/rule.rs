//! [`Rule`]: what the design demands, each of which can be left out.

use std::fmt;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// A rule of the design. Without it the search finds a violation.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

rules! {
    /// A step starts no body when the owner's own clock says that the lease is over.
    ClockBeforeStep => "a step looks at the owner's clock before it starts",
    /// The owner's clock is asked again after the store has answered *begin*, right before the body.
    ClockAfterBegin => "an at-most-once step looks at the owner's clock again once it has begun",
    /// An at-most-once step is recorded as begun before its body runs.
    BegunFirst => "an at-most-once step is recorded as begun before its body",
    /// *Begun* carries a nonce of its attempt, and only that attempt settles it or takes it back.
    Nonce => "begun is settled only by the attempt that began",
    /// A lapsed call with a journal is kept until no retry can come any more.
    Retention => "a journal is kept as long as retries come",
    /// The store, and not the owner, decides whether a release leaves the id vacant.
    StoreDecides => "the store decides whether a release leaves nothing",
    /// A journal is named by the token of the call's first reservation.
    JournalName => "a journal belongs to one call, by the first token",
    /// A step is over only when the store has acknowledged its record.
    Acknowledged => "a step gives its result once its record is acknowledged",
    /// A run goes no further after a step that the store refused or did not answer.
    Poison => "a step without an answer from the store ends its run",
    /// A run goes no further after a step that was dropped when it had started.
    DropPoison => "a step that was dropped ends its run",
    /// A journal write is one atomic step with *the record is reserved with my token*.
    Fenced => "a journal write checks the token",
    /// A fenced write and the reading of the record's token exclude a resume until it is committed.
    Locked => "a journal write and its check of the token are one",
    /// A late owner may settle what it began, and begin nothing.
    BeginsInLease => "begin is refused once the lease is over",
    /// Resolving a call as never happened keeps the steps that are recorded.
    ResolveKeeps => "resolving as never happened keeps recorded steps",
    /// Only a call with the same payload resumes.
    Fingerprint => "only the same payload resumes",
    /// A renewal takes what it keeps from the stored record, never from its arguments.
    StoredFlag => "a renewal keeps the record's flag of a journal",
    /// A record that says it has a journal and finds none runs nothing.
    MissingJournal => "a journal that is missing is an error",
    /// A journal write to a record that says it has a journal does not make a new one.
    NoSecondJournal => "a journal write does not replace a missing journal",
    /// A plain reserve never wins over a suspended call.
    ReserveSpares => "a plain reserve does not win over a journal",
    /// Resuming compares the record with the one that was seen.
    ResumeCompares => "resuming compares the token that was seen",
    /// Recovery leaves a call alone whose body ended in its own error.
    ErrorNotDue => "a body's own error is not due for recovery",
    /// Recovery resumes what is due at that moment, not what was due when it looked.
    StillDue => "recovery resumes only what is still due",
    /// A caller is told the body's own error once the store has acknowledged the release.
    ErrorAfterRelease => "a caller is told its own error after the release",
    /// An operator's word counts for the attempt that was looked at.
    OperatorSees => "resolving compares what was seen",
    /// Whoever settles the step that a call waits for has the call go on, in the same atomic step.
    SettleEndsWait => "settling a step ends the wait for it",
    /// The store looks at the journal when a run ends in doubt: its step may be settled by then.
    SuspendLooks => "suspending looks whether the step is still in doubt",
    /// What waits for another reason goes on waiting when a step is settled.
    ReasonKept => "a settled step ends no other wait",
    /// The reservation and its entry in the due index are one atomic step.
    DueWithReserve => "a reservation is due by the same atomic step",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The rules that hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    off: u32,
}

impl Rules {
    /// All of them: the design.
    pub const ALL: Self = Self { off: 0 };

    /// All but one more.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self { off: self.off | 1 << rule as u32 }
    }

    /// Whether a rule holds.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.off & 1 << rule as u32 == 0
    }
}
