//! [`RecordChange`]: a transition of one record.

use super::look::LONGEST_RECORD;
use crate::backends::postgres::entry::lapse_code;
use crate::backends::postgres::query::Purpose;
use crate::backends::shared::durations::ceil_micros;
use crate::model::{Record, RecordId, Token};
use crate::store::{Abandon, Complete, IfVacant, Release, Renew, Reserve};

/// A transition of one record.
pub(super) struct RecordChange {
    pub(super) kind: Kind,
    pub(super) id: RecordId,
    pub(super) token: Token,
    /// What to write; renewing and releasing write none.
    pub(super) record: Option<Record>,
    /// Microseconds: the lease, or how long a result is kept.
    pub(super) time: i64,
    pub(super) flag: bool,
}

/// What a change does. The numbers are those of the schema's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reserve = 0,
    Complete = 1,
    Release = 2,
    Renew = 3,
    Abandon = 4,
}

impl RecordChange {
    fn new(kind: Kind, id: &RecordId, reservation: &Record) -> Self {
        let (id, token) = (id.clone(), reservation.token());
        Self { kind, id, token, record: None, time: 0, flag: false }
    }

    pub(super) fn reserve(request: &Reserve<'_>) -> Self {
        let record = request.record();
        let time = ceil_micros(request.lease());
        Self { time, record: Some(record.clone()), ..Self::new(Kind::Reserve, request.id, record) }
    }

    pub(super) fn complete(request: &Complete<'_>) -> Self {
        Self {
            time: ceil_micros(request.ttl),
            record: Some(request.record.clone()),
            flag: request.if_vacant == IfVacant::Record,
            ..Self::new(Kind::Complete, request.id, request.reservation)
        }
    }

    pub(super) fn release(request: &Release<'_>) -> Self {
        let flag = request.indeterminate;
        Self { flag, ..Self::new(Kind::Release, request.id, request.reservation) }
    }

    pub(super) fn renew(request: &Renew<'_>) -> Self {
        let time = ceil_micros(request.lease);
        Self { time, ..Self::new(Kind::Renew, request.id, request.reservation) }
    }

    pub(super) fn abandon(request: &Abandon<'_>) -> Self {
        Self {
            record: Some(request.record.clone()),
            flag: request.ends_lease(),
            ..Self::new(Kind::Abandon, request.id, request.reservation)
        }
    }

    /// Whether others would have to wait for its bytes.
    pub(super) fn is_long(record: &Record) -> bool {
        record.as_bytes().len() > LONGEST_RECORD as usize
    }

    pub(super) fn guarantee(&self) -> i16 {
        self.record.as_ref().map_or(0, lapse_code)
    }

    pub(super) fn retention(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| ceil_micros(record.retention()))
    }

    /// About how many bytes it sends.
    pub(super) fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.as_bytes().len())
    }

    pub(super) const fn purpose(&self) -> Purpose {
        match self.kind {
            Kind::Reserve => Purpose::Work,
            Kind::Complete | Kind::Release | Kind::Abandon => Purpose::Settle,
            Kind::Renew => Purpose::Renew,
        }
    }
}
