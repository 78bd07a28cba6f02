//! [`InstallError`]: why an engine cannot be installed.

use std::fmt;

/// The error of [`install`](crate::install): an engine is already installed, or a call has already
/// used the embedded default.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InstallError(());

impl InstallError {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Debug for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallError")
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an engine is already installed, or a call has already used the embedded default: \
             install the engine once, before the first idempotent call",
        )
    }
}

impl std::error::Error for InstallError {}
