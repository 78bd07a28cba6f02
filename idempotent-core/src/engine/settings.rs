//! The settings of an engine. [`IdempotencyBuilder`](super::IdempotencyBuilder) documents and sets them.

use std::time::Duration;

use super::circuit::CircuitSettings;
use super::limits::CallLimits;
use crate::model::Secret;
use crate::store::backoff::Backoff;

/// The defaults and limits of one engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) max_run: Duration,
    pub(crate) retention: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) max_key_bytes: usize,
    pub(crate) max_result_bytes: usize,
    pub(crate) verify_results: bool,
    pub(crate) max_steps: usize,
    pub(crate) max_journal_bytes: usize,
    pub(crate) step_patience: Duration,
    pub(crate) max_input_bytes: usize,
    pub(crate) resume_backoff: Backoff,
    pub(crate) secret: Option<Secret>,
    pub(crate) redact_keys: bool,
    pub(crate) strict_names: bool,
    pub(crate) fail_open: bool,
    pub(crate) limits: CallLimits,
    pub(crate) circuit: CircuitSettings,
    /// The type of the store, for messages.
    pub(crate) store_type: &'static str,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl: DAY,
            lease: Duration::from_secs(30),
            max_run: Duration::from_secs(60 * 60),
            retention: DAY * 30,
            store_timeout: Duration::from_secs(5),
            max_key_bytes: 255,
            max_result_bytes: 1024 * 1024,
            verify_results: cfg!(debug_assertions),
            max_steps: 10_000,
            max_journal_bytes: 16 * 1024 * 1024,
            step_patience: Duration::from_secs(5),
            max_input_bytes: 256 * 1024,
            resume_backoff: Backoff {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(5 * 60),
            },
            secret: None,
            redact_keys: false,
            strict_names: false,
            fail_open: false,
            limits: CallLimits::default(),
            circuit: CircuitSettings::default(),
            store_type: "",
        }
    }
}
