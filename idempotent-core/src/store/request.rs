//! What a store is asked.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::State;
use crate::record::{Envelope, Record, RecordId, Token};

/// Asks for a reservation.
///
/// The record is made when it is first looked at, so a store that finds the id taken need not pay
/// for one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reserve<'a> {
    /// Which record.
    pub id: &'a RecordId,
    envelope: Envelope<'a>,
    written: OnceLock<Written>,
}

/// A reservation that a store has seen.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) record: Record,
    /// When it was first looked at: before that, nobody can have sent it anywhere.
    pub(crate) at: Instant,
}

impl<'a> Reserve<'a> {
    /// A request with a fresh token.
    #[must_use]
    pub const fn new(id: &'a RecordId, envelope: Envelope<'a>) -> Self {
        Self { id, envelope, written: OnceLock::new() }
    }

    /// The reservation to write: the same bytes and the same token at every look.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.written.get_or_init(|| self.write()).record
    }

    fn write(&self) -> Written {
        let (at, now) = (Instant::now(), SystemTime::now());
        let record = Record::reserved_at(&self.envelope, Token::at(now), now);
        Written { record, at }
    }

    pub(crate) fn into_written(mut self) -> Written {
        self.written.take().unwrap_or_else(|| self.write())
    }

    /// The reservation's token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.record().token()
    }

    /// Whether this request could already stand in the store. A request whose record nobody has
    /// looked at was never written anywhere.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.written.get().is_some()
    }

    /// How long the reservation holds without being renewed, by the store's clock.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.envelope.lease
    }
}

/// Asks to start a reservation's lease anew.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Renew<'a> {
    /// Which record.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare it, or its token.
    pub reservation: &'a Record,
    /// The new lease, from now on by the store's clock.
    pub lease: Duration,
}

/// Asks to end a call with a result.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Complete<'a> {
    /// Which record.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare it, or its token.
    pub reservation: &'a Record,
    /// The completed record to write.
    pub record: &'a Record,
    /// How long it is kept, from now on by the store's clock.
    pub ttl: Duration,
    /// What to do where nothing stands.
    pub vacant: Vacant,
}

/// What [`Store::complete`](super::Store::complete) does with a vacant id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vacant {
    /// Record the result: a lease that lapsed and that nobody took is no reason to forget a
    /// finished effect. The default.
    #[default]
    Record,
    /// Answer [`CompleteOutcome::Gone`](super::CompleteOutcome::Gone): somebody who resolves a
    /// record by hand acts on what they saw.
    Refuse,
}

/// Asks to make an id vacant.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Release<'a> {
    /// Which record.
    pub id: &'a RecordId,
    /// The reservation, exactly as it was written: compare it, or its token.
    pub reservation: &'a Record,
    /// Whether an indeterminate record may go too, which asserts that its owner is dead.
    pub indeterminate: bool,
}

/// Asks to be woken when a reservation ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// Which record.
    pub id: &'a RecordId,
    /// Whose reservation.
    pub token: Token,
    /// The longest wait.
    pub timeout: Duration,
}

/// Asks for some of the records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scan {
    /// Only records in these states; empty means all.
    pub states: Vec<State>,
    /// Only records of this operation.
    pub operation: Option<String>,
    /// At most about so many records in one page. Default: 100.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
}

/// Where a scan goes on: a store's own word, opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

impl<'a> Renew<'a> {
    /// A request to renew.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record, lease: Duration) -> Self {
        Self { id, reservation, lease }
    }
}

impl<'a> Complete<'a> {
    /// A request to complete, also where the id is vacant.
    #[must_use]
    pub const fn new(
        id: &'a RecordId,
        reservation: &'a Record,
        record: &'a Record,
        ttl: Duration,
    ) -> Self {
        Self { id, reservation, record, ttl, vacant: Vacant::Record }
    }

    /// The same request with another answer to a vacant id.
    #[must_use]
    pub const fn vacant(mut self, vacant: Vacant) -> Self {
        self.vacant = vacant;
        self
    }
}

impl<'a> Release<'a> {
    /// A request to release a reserved record.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record) -> Self {
        Self { id, reservation, indeterminate: false }
    }

    /// The same request, for an indeterminate record too.
    #[must_use]
    pub const fn even_indeterminate(mut self) -> Self {
        self.indeterminate = true;
        self
    }
}

impl<'a> Wait<'a> {
    /// A request to wait.
    #[must_use]
    pub const fn new(id: &'a RecordId, token: Token, timeout: Duration) -> Self {
        Self { id, token, timeout }
    }
}

impl Scan {
    /// A scan of every record.
    #[must_use]
    pub const fn all() -> Self {
        Self { states: Vec::new(), operation: None, limit: 100, cursor: None }
    }

    /// A scan of what a reconciliation job looks at: reservations that run, have lapsed or are
    /// indeterminate.
    #[must_use]
    pub fn unfinished() -> Self {
        Self { states: vec![State::Reserved, State::Lapsed, State::Indeterminate], ..Self::all() }
    }

    /// The same scan, of one operation.
    #[must_use]
    pub fn operation(mut self, name: impl Into<String>) -> Self {
        self.operation = Some(name.into());
        self
    }

    /// The same scan with another page size.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The same scan, going on where a page ended.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Whether this scan wants such a record.
    #[must_use]
    pub fn wants(&self, state: State, record: &Record) -> bool {
        (self.states.is_empty() || self.states.contains(&state))
            && self.operation.as_deref().is_none_or(|name| name == record.operation())
    }
}
