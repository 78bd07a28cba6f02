//! [`ServerSettings`]: what a store's server says about itself.

use std::collections::BTreeMap;

/// What a store's server says about itself: how it is set up, and how it is doing. For tools that look for what makes a
/// store's guarantees weaker, as `idempotent doctor` of the package `idempotent-cli` does.
///
/// The names are the server's own, so they differ from store to store and from version to version. What it does not tell,
/// for instance since the user may not ask, is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSettings {
    /// The server or the file, for people.
    pub server: String,
    /// The values by their names.
    pub values: BTreeMap<String, String>,
}

impl ServerSettings {
    /// A value, if the server tells it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}
