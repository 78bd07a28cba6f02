//! [`Asking`]: one call to the store, of which a circuit learns the end.

use super::breaker::Circuit;
use super::probe::Probe;
use crate::store::StoreError;

/// One call to the store. Dropped without an end, it says nothing about the store: its caller went away. If it
/// was a probe, another
/// one may follow at once.
#[must_use]
pub(in crate::engine) struct Asking<'a> {
    circuit: &'a Circuit,
    probe: Option<Probe>,
}

impl<'a> Asking<'a> {
    /// A call that the circuit has [admitted](Circuit::admit).
    pub(in crate::engine) const fn new(circuit: &'a Circuit, probe: Option<Probe>) -> Self {
        Self { circuit, probe }
    }

    /// The store answered, whatever it said.
    pub(in crate::engine) fn answered(mut self) {
        self.probe = None;
        self.circuit.answered();
    }

    /// The store did not answer.
    pub(in crate::engine) fn failed(mut self, error: &StoreError) {
        self.circuit.failed(self.probe.take(), error);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe {
            self.circuit.probe_dropped(probe);
        }
    }
}
