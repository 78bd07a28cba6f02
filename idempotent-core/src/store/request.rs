//! The requests to a store.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::hash_prefix::HashPrefix;
use super::state::State;
use crate::model::{Envelope, MacKey, OwnerState, Record, RecordId, Token};

/// A request to reserve an id.
///
/// The record is created when it is first read, so a store that finds the id taken need not pay for
/// one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reserve<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    envelope: Envelope<'a>,
    /// The key of the reservation's MAC, if it has one.
    mac: Option<&'a MacKey>,
    written: OnceLock<Written>,
}

/// A reservation that the store has read.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) record: Record,
    /// When it was first read: before that, it cannot have been sent.
    pub(crate) at: Instant,
}

impl<'a> Reserve<'a> {
    /// Creates a request. Its reservation gets a fresh token.
    #[must_use]
    pub const fn new(id: &'a RecordId, envelope: Envelope<'a>) -> Self {
        Self { id, envelope, mac: None, written: OnceLock::new() }
    }

    /// Reserves again what was reserved before, for that long: with the same token.
    pub(crate) fn again(id: &'a RecordId, reservation: &Record, lease: Duration) -> Self {
        let written = Written { record: reservation.clone(), at: Instant::now() };
        let envelope = Envelope { lease, ..Envelope::new("") };
        Self { id, envelope, mac: None, written: OnceLock::from(written) }
    }

    /// Gives the reservation a MAC.
    #[must_use]
    pub(crate) const fn sealed_with(mut self, key: Option<&'a MacKey>) -> Self {
        self.mac = key;
        self
    }

    /// The reservation to write. Every call returns the same bytes and the same token.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.written().record
    }

    /// The same, and when it was first read.
    pub(crate) fn written(&self) -> &Written {
        self.written.get_or_init(|| self.write())
    }

    fn write(&self) -> Written {
        let at = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = Record::reserved_at(
            &self.envelope,
            Token::at(now),
            now,
            self.mac.map(|key| (self.id, key)),
        );
        Written { record, at }
    }

    /// The reservation's token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.record().token()
    }

    /// Whether the store may already hold this reservation. A record that nothing has read was
    /// never written.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.written.get().is_some()
    }

    /// How long the reservation holds unless it is renewed, by the store's clock.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.envelope.lease
    }
}

/// A request to start a reservation's lease again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Renew<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare all of it, or its token.
    pub reservation: &'a Record,
    /// The new lease, counted from now by the store's clock.
    pub lease: Duration,
}

/// A request to complete a record with a result.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Complete<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare all of it, or its token.
    pub reservation: &'a Record,
    /// The completed record to write.
    pub record: &'a Record,
    /// How long the record is kept, counted from now by the store's clock.
    pub ttl: Duration,
    /// What to do if the id is vacant.
    pub if_vacant: IfVacant,
}

/// What [`Store::complete`](super::Store::complete) does with a vacant id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfVacant {
    /// Record the result: a lease that lapsed, and that no other call took, is no reason to forget
    /// a finished effect. The default.
    #[default]
    Record,
    /// Answer [`CompleteOutcome::Gone`](super::CompleteOutcome::Gone): an operator who resolves a
    /// record acts only on what they saw.
    Refuse,
}

/// A request to make an id vacant.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Release<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare all of it, or its token.
    pub reservation: &'a Record,
    /// Whether to release an indeterminate record too, which asserts that its owner is dead.
    pub indeterminate: bool,
}

/// A request to write down that a reservation's owner no longer works on it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Abandon<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare all of it, or its token.
    pub reservation: &'a Record,
    /// The record to write in its place: the reservation, with another
    /// [`owner_state`](Record::owner_state), and perhaps another guarantee.
    pub record: &'a Record,
}

/// A request to replace a completed record.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Correct<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The completed record that somebody saw: compare all of it, since its token stays the same.
    pub seen: &'a Record,
    /// The completed record to write in its place.
    pub record: &'a Record,
    /// How long the record is kept, counted from now by the store's clock.
    pub ttl: Duration,
}

/// A request to wait until a reservation ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The token of the reservation.
    pub token: Token,
    /// The longest time to wait.
    pub timeout: Duration,
}

/// A request for some of the records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scan {
    /// Only records in these states; empty means all.
    pub states: Vec<State>,
    /// Only records of this operation.
    pub operation: Option<String>,
    /// Only records whose id's hash begins so. An engine sees to it; a store may use it to read fewer records.
    pub hash_prefix: Option<HashPrefix>,
    /// Of suspended calls, only those with a step in doubt. An engine sees to it, by their journals; a store may
    /// ignore it, or leave out those of whose steps none is in doubt.
    pub in_doubt: bool,
    /// About how many records a page has at most. Default: 100.
    pub limit: usize,
    /// Where the previous page ended.
    pub cursor: Option<Cursor>,
}

/// An opaque page token: where a scan continues. Only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

impl<'a> Renew<'a> {
    /// Creates a request.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record, lease: Duration) -> Self {
        Self { id, reservation, lease }
    }
}

impl<'a> Complete<'a> {
    /// Creates a request that also records the result if the id is vacant.
    #[must_use]
    pub const fn new(
        id: &'a RecordId,
        reservation: &'a Record,
        record: &'a Record,
        ttl: Duration,
    ) -> Self {
        Self { id, reservation, record, ttl, if_vacant: IfVacant::Record }
    }

    /// Sets what to do if the id is vacant.
    #[must_use]
    pub const fn if_vacant(mut self, if_vacant: IfVacant) -> Self {
        self.if_vacant = if_vacant;
        self
    }
}

impl<'a> Release<'a> {
    /// Creates a request to release a reserved record.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record) -> Self {
        Self { id, reservation, indeterminate: false }
    }

    /// Releases an indeterminate record too.
    #[must_use]
    pub const fn including_indeterminate(mut self) -> Self {
        self.indeterminate = true;
        self
    }
}

impl<'a> Abandon<'a> {
    /// Creates a request.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record, record: &'a Record) -> Self {
        Self { id, reservation, record }
    }

    /// Whether the lease ends now: the owner has [abandoned](OwnerState::Abandoned) the
    /// reservation. Otherwise the lease goes on as it is.
    #[must_use]
    pub fn ends_lease(&self) -> bool {
        self.record.owner_state() == OwnerState::Abandoned
    }
}

impl<'a> Correct<'a> {
    /// Creates a request.
    #[must_use]
    pub const fn new(
        id: &'a RecordId,
        seen: &'a Record,
        record: &'a Record,
        ttl: Duration,
    ) -> Self {
        Self { id, seen, record, ttl }
    }
}

impl<'a> Wait<'a> {
    /// Creates a request.
    #[must_use]
    pub const fn new(id: &'a RecordId, token: Token, timeout: Duration) -> Self {
        Self { id, token, timeout }
    }
}

impl Scan {
    /// A scan of every record.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            states: Vec::new(),
            operation: None,
            hash_prefix: None,
            in_doubt: false,
            limit: 100,
            cursor: None,
        }
    }

    /// A scan for a reconciliation job: reservations that are running, lapsed or indeterminate.
    #[must_use]
    pub fn unfinished() -> Self {
        Self {
            states: vec![State::Reserved, State::Lapsed, State::Suspended, State::Indeterminate],
            ..Self::all()
        }
    }

    /// A scan for indeterminate records, which somebody must [resolve](crate::Idempotency::resolve). A suspended call one
    /// of whose steps is in doubt is not among them: see [`in_doubt`](Self::in_doubt).
    #[must_use]
    pub fn indeterminate() -> Self {
        Self { states: vec![State::Indeterminate], ..Self::all() }
    }

    /// A scan for all calls about which somebody must say something: those that are
    /// [indeterminate](State::Indeterminate), and [suspended](State::Suspended) ones with a step in doubt, which their next
    /// run will find and stop at. Its stores tell these apart, and [`Idempotency::scan`](crate::Idempotency::scan) loads the
    /// journals of what they found one after the other. It returns the steps of each, without what they returned. A
    /// suspended call that has no step in doubt, and an entry that is [not authentic](crate::ErrorKind::NotAuthentic), is not
    /// found: inspect the record. One whose journal is lost is. A page [ends early](crate::Idempotency::scan) if its steps are
    /// large.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, store::Scan};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for call in engine.scan(&Scan::in_doubt()).await?.entries {
    ///     for (_, step) in call.steps_in_doubt() {
    ///         println!("{}: nobody knows what step {} did", call.id(), step.name());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn in_doubt() -> Self {
        let states = vec![State::Indeterminate, State::Suspended];
        Self { states, in_doubt: true, ..Self::all() }
    }

    /// Restricts the scan to one operation.
    #[must_use]
    pub fn operation(mut self, name: impl Into<String>) -> Self {
        self.operation = Some(name.into());
        self
    }

    /// Restricts the scan to ids whose hash begins so. A database goes there at once; Redis looks at all keys, and reads
    /// none of the others.
    #[must_use]
    pub fn hash_prefix(mut self, prefix: HashPrefix) -> Self {
        self.hash_prefix = Some(prefix);
        self
    }

    /// Sets the page size.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Continues the scan where a page ended.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Whether this scan includes such a record.
    #[must_use]
    pub fn wants(&self, state: State, record: &Record) -> bool {
        (self.states.is_empty() || self.states.contains(&state))
            && self.operation.as_deref().is_none_or(|name| name == record.operation())
    }
}
