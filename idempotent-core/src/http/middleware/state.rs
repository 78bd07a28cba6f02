//! What a layer and its services share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::in_flight::InFlightRequests;
use super::read_budget::ReadBudget;
use super::settings::Settings;

#[derive(Clone, Debug)]
pub(super) struct LayerState {
    pub(super) settings: Settings,
    pub(super) in_flight: Arc<InFlightRequests>,
    pub(super) read_budget: Arc<ReadBudget>,
    warned_of_grpc: Arc<AtomicBool>,
    warned_of_nobody: Arc<AtomicBool>,
}

impl LayerState {
    pub(super) fn new(settings: Settings, read_budget: ReadBudget) -> Self {
        Self {
            settings,
            in_flight: Arc::default(),
            read_budget: Arc::new(read_budget),
            warned_of_grpc: Arc::default(),
            warned_of_nobody: Arc::default(),
        }
    }

    /// Logs once per layer that gRPC requests without a key pass.
    pub(super) fn warn_of_grpc(&self) {
        if !self.warned_of_grpc.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                operation = self.settings.operation.name,
                "gRPC without a key passes unguarded, and with one is refused, because its status is in \
                 the trailers: put the attribute on the methods of the service, and name the service \
                 with `pass_grpc`"
            );
        }
    }

    /// Logs once per layer that a request has no scope.
    pub(super) fn warn_of_nobody(&self) {
        if !self.warned_of_nobody.swap(true, Ordering::Relaxed) {
            let operation = self.settings.operation.name;
            tracing::warn!(
                operation,
                "the scope of layer `{operation}` was `None`: is authentication outside of it? in axum, add it \
                 after the layer"
            );
        }
    }
}
