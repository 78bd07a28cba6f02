//! The options of a consumer. [`ConsumerBuilder`](super::ConsumerBuilder) documents and sets them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::attempts::Attempts;
use super::message::Message;
use super::outcome::Settled;
use crate::call::CallBuilder;
use crate::engine::Idempotency;
use crate::model::Operation;

/// Makes the call of a message: its key.
pub(super) type KeyOf = Arc<dyn Fn(&Message, Operation) -> CallBuilder + Send + Sync>;
/// Adds the scope of a message to its call.
pub(super) type ScopeOf = Arc<dyn Fn(&Message, CallBuilder) -> CallBuilder + Send + Sync>;
/// The ordering key of a message.
pub(super) type OrderOf = Arc<dyn Fn(&Message) -> Option<String> + Send + Sync>;
pub(super) type OnSettled = Arc<dyn Fn(&Settled<'_>) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) engine: Idempotency,
    pub(super) operation: Operation,
    pub(super) key: KeyOf,
    /// Whether that is the message's id.
    pub(super) is_keyed_by_id: bool,
    pub(super) scope: Option<ScopeOf>,
    pub(super) order: Option<OrderOf>,
    pub(super) compares_payloads: bool,
    pub(super) concurrency: NonZeroUsize,
    pub(super) attempts: Attempts,
    pub(super) stop_within: Duration,
    pub(super) on_settled: Option<OnSettled>,
}

impl Settings {
    pub(super) fn ttl(&self) -> Duration {
        self.operation.ttl.unwrap_or(self.engine.settings().ttl)
    }

    pub(super) fn max_run(&self) -> Duration {
        self.operation.max_run.unwrap_or(self.engine.settings().max_run)
    }

    pub(super) fn lease(&self) -> Duration {
        self.operation.lease.unwrap_or(self.engine.settings().lease)
    }
}
