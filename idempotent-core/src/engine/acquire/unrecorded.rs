//! [`UnrecordedRun`]: a body that runs without a record.

use crate::engine::idempotency::Idempotency;
use crate::engine::lease::CurrentCall;
use crate::engine::limits::Seat;

/// A body that runs without a record, because the store failed and the engine fails open.
#[derive(Debug)]
pub(crate) struct UnrecordedRun {
    pub(crate) current: CurrentCall,
    pub(crate) engine: Idempotency,
    _seat: Seat,
}

impl UnrecordedRun {
    pub(super) fn new(engine: Idempotency, current: CurrentCall, seat: Seat) -> Self {
        Self { current, engine, _seat: seat }
    }
}
