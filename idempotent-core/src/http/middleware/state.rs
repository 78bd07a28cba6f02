//! What a layer and its services share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::in_flight::InFlightRequests;
use super::settings::Settings;

#[derive(Clone, Debug)]
pub(super) struct LayerState {
    pub(super) settings: Settings,
    pub(super) in_flight: Arc<InFlightRequests>,
    warned_of_grpc: Arc<AtomicBool>,
}

impl LayerState {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, in_flight: Arc::default(), warned_of_grpc: Arc::default() }
    }

    /// Logs once per layer that gRPC requests are not guarded.
    pub(super) fn warn_of_grpc(&self) {
        if !self.warned_of_grpc.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                operation = self.settings.operation.name,
                "gRPC passes unguarded, because its status is in the trailers: put the attribute on \
                 the methods of the service instead"
            );
        }
    }
}
