//! Spans, log lines and metrics: one span per call, and the metrics with the feature `metrics`.
//!
//! `call_span` is the span of a call, and `call_report` tells it and the metrics how the call ended and what became
//! of its key (`key_end`). `store_call` times calls of the store, and `events` are the log lines and counters of
//! everything else. The front page of the crate lists the span's fields and the metrics.

mod call_report;
mod call_span;
mod events;
mod key_end;
mod store_call;

pub(crate) use self::call_report::CallReport;
pub(in crate::engine) use self::call_report::Ended;
pub(crate) use self::call_span::CallSpan;
pub(crate) use self::events::Telemetry;
pub(crate) use self::key_end::KeyEnd;
pub(in crate::engine) use self::store_call::Transition;
