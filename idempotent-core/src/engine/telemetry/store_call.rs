//! [`Transition`]: a call to the store, as metrics and logs name it, and how long it takes.

use crate::store::StoreError;

/// A store call, as metrics and logs name it.
#[derive(Clone, Copy)]
pub(in crate::engine) enum Transition {
    Reserve,
    Renew,
    Complete,
    Release,
    Abandon,
    WriteStep,
    LoadSteps,
    Resume,
    Suspend,
    Wait,
    Look,
    Count,
    Due,
    Check,
    Admin,
}

impl Transition {
    pub(in crate::engine) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Renew => "renew",
            Self::Complete => "complete",
            Self::Release => "release",
            Self::Abandon => "abandon",
            Self::WriteStep => "write_step",
            Self::LoadSteps => "load_steps",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Wait => "wait",
            Self::Look => "load",
            Self::Count => "count",
            Self::Due => "due",
            Self::Check => "check",
            Self::Admin => "operate",
        }
    }
}

/// Times one store call.
pub(in crate::engine) struct StoreCallTimer {
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    transition: Transition,
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
}

impl StoreCallTimer {
    pub(super) fn start(transition: Transition) -> Self {
        Self {
            transition,
            #[cfg(feature = "metrics")]
            start: std::time::Instant::now(),
        }
    }

    pub(in crate::engine) fn stop(self, _error: Option<&StoreError>) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "idempotent_store_seconds",
            "transition" => self.transition.as_str(),
            "result" => if _error.is_some() { "error" } else { "ok" },
        )
        .record(self.start.elapsed().as_secs_f64());
    }
}
