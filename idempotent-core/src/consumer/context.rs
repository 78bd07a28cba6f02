//! [`Context`]: what all deliveries of one run of a consumer share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::attempt_log::AttemptLog;
use super::catch_panic::unless_panics;
use super::confirming::Confirming;
use super::error::ConsumerError;
use super::keep_alive::KeepAlive;
use super::message::Message;
use super::ordering::{Ordering, Place, Unplaceable};
use super::outage::Outage;
use super::settings::Settings;
use super::telemetry::Telemetry;
use crate::call::CallBuilder;
use crate::model::Operation;

/// How far a consumer has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// No handler starts any more.
    Stopping,
    /// Handlers that still run are dropped.
    Halted,
}

pub(super) struct Context {
    pub(super) settings: Settings,
    /// With the lease that fits the source.
    pub(super) operation: Operation,
    pub(super) lease: Duration,
    pub(super) attempts: AttemptLog,
    pub(super) keep_alive: Arc<KeepAlive>,
    pub(super) confirming: Arc<Confirming>,
    pub(super) ordering: Arc<Ordering>,
    pub(super) outage: Outage,
    pub(super) telemetry: Telemetry,
    pub(super) stage: watch::Sender<Stage>,
    /// Why the consumer cannot go on.
    failure: Mutex<Option<ConsumerError>>,
}

impl Context {
    pub(super) fn new(settings: Settings, lease: Duration, telemetry: Telemetry) -> Self {
        let terms = telemetry.terms();
        let (concurrency, deadline) = (settings.concurrency.get(), terms.deadline);
        let ordering = Arc::new(Ordering::new(concurrency, deadline, terms.lateness));
        let operation = settings.operation.lease(lease);
        let attempts = AttemptLog::new(&settings.engine, operation.name, settings.ttl());
        Self {
            settings,
            operation,
            lease,
            attempts,
            keep_alive: Arc::default(),
            confirming: Arc::default(),
            ordering,
            outage: Outage::default(),
            telemetry,
            stage: watch::Sender::new(Stage::Running),
            failure: Mutex::new(None),
        }
    }

    /// The call of a message; `None` if a function of the settings panics.
    pub(super) fn call(&self, message: &Message) -> Option<CallBuilder> {
        let keyed = || {
            let call = (self.settings.key)(message, self.operation);
            match &self.settings.scope {
                Some(scope) => scope(message, call),
                None => call,
            }
        };
        let mut call = unless_panics(keyed)?;
        if self.settings.compares_payloads {
            call = call.fingerprint_digest(blake3::hash(message.payload()).into());
        }
        Some(call.engine(&self.settings.engine))
    }

    /// The place of a message that is received now, among those of its key.
    ///
    /// # Errors
    ///
    /// If the function that makes the key panics.
    pub(super) fn place(&self, message: &Message) -> Result<Option<Place>, Unplaceable> {
        let Some(order) = &self.settings.order else { return Ok(None) };
        let key = unless_panics(|| order(message)).ok_or(Unplaceable)?;
        Ok(key.map(|key| self.ordering.enter(message, key)))
    }

    /// Waits until the consumer has come to this stage.
    pub(super) async fn reached(&self, stage: Stage) {
        // The sender lives as long as this.
        let _ = self.stage.subscribe().wait_for(|now| *now >= stage).await;
    }

    pub(super) fn has_reached(&self, stage: Stage) -> bool {
        *self.stage.borrow() >= stage
    }

    /// Stops the consumer, unless it stops already: every message would be refused.
    pub(super) fn fail(&self, error: ConsumerError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.advance(Stage::Stopping);
    }

    pub(super) fn advance(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let advances = *now < stage;
            *now = stage.max(*now);
            advances
        });
    }

    pub(super) fn take_failure(&self) -> Option<ConsumerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
