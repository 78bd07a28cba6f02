//! [`Request`]: what a run asks of the store, and [`Requests`], those that are on their way.

use std::fmt;

/// What a run asks of the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Request {
    /// Take the key, if it is vacant.
    Reserve,
    /// Take the suspended call that was seen.
    Resume,
    /// Record `a`.
    RecordA,
    /// Record that `m` begins; the flag tells the run's second attempt from its first.
    Begin(bool),
    /// Record `m`.
    Settle(bool),
    /// Take *begun* back, since the body of `m` failed without an effect.
    TakeBack(bool),
    /// Record `z`.
    RecordZ,
    /// Keep the result, and drop the journal.
    Complete,
    /// The body ended in its own error.
    Release,
    /// The run may not go on, or does not know what became of its reservation.
    Suspend,
    /// Leave the id vacant. An owner sends it that decides so itself.
    Vacate,
    /// Enter the call into the due index, where that is a request of its own.
    Due,
}

impl Request {
    /// Every request.
    pub const ALL: [Self; 15] = [
        Self::Reserve,
        Self::Resume,
        Self::RecordA,
        Self::Begin(false),
        Self::Begin(true),
        Self::Settle(false),
        Self::Settle(true),
        Self::TakeBack(false),
        Self::TakeBack(true),
        Self::RecordZ,
        Self::Complete,
        Self::Release,
        Self::Suspend,
        Self::Vacate,
        Self::Due,
    ];

    const fn bit(self) -> u16 {
        1 << match self {
            Self::Reserve => 0,
            Self::Resume => 1,
            Self::RecordA => 2,
            Self::Begin(second) => 3 + second as u16,
            Self::Settle(second) => 5 + second as u16,
            Self::TakeBack(second) => 7 + second as u16,
            Self::RecordZ => 9,
            Self::Complete => 10,
            Self::Release => 11,
            Self::Suspend => 12,
            Self::Vacate => 13,
            Self::Due => 14,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserve => "reserve",
            Self::Resume => "resume",
            Self::RecordA => "record a",
            Self::Begin(false) => "begin m",
            Self::Begin(true) => "begin m again",
            Self::Settle(_) => "record m",
            Self::TakeBack(_) => "take m back",
            Self::RecordZ => "record z",
            Self::Complete => "complete",
            Self::Release => "release",
            Self::Suspend => "suspend",
            Self::Vacate => "vacate",
            Self::Due => "due",
        })
    }
}

/// A set of requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Requests(u16);

impl Requests {
    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    pub(super) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Adds one.
    pub fn insert(&mut self, request: Request) {
        self.0 |= request.bit();
    }

    /// Removes one.
    pub fn remove(&mut self, request: Request) {
        self.0 &= !request.bit();
    }

    /// Whether one is there.
    #[must_use]
    pub const fn contains(self, request: Request) -> bool {
        self.0 & request.bit() != 0
    }

    /// Whether none is there.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are there.
    pub fn iter(self) -> impl Iterator<Item = Request> {
        Request::ALL.into_iter().filter(move |request| self.contains(*request))
    }
}
