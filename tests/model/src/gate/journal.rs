//! [`Journal`]: the steps that the store knows, by their paths.

use std::collections::{BTreeMap, BTreeSet};

use super::program::Name;

/// A step: its own name after those of the steps around it.
pub type Path = Vec<Name>;

/// What a call's journal knows.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    recorded: BTreeMap<Path, bool>,
    tried: BTreeSet<Path>,
}

/// One write: a step with its result, and the steps that failed since the last write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The step.
    pub path: Path,
    /// What it gave.
    pub value: bool,
    /// Steps that failed, and that no write has named yet.
    pub tried: Vec<Path>,
}

impl Journal {
    /// The store does a write.
    pub fn write(&mut self, write: Write) {
        self.recorded.insert(write.path, write.value);
        self.tried.extend(write.tried);
    }

    /// What a recorded step gave.
    #[must_use]
    pub fn value(&self, path: &[Name]) -> Option<bool> {
        self.recorded.get(path).copied()
    }

    /// Whether a step is not new: it is recorded, was tried, or has steps inside that are recorded.
    #[must_use]
    pub fn knows(&self, path: &[Name]) -> bool {
        self.tried.contains(path) || self.recorded.keys().any(|known| known.starts_with(path))
    }

    /// The steps right inside a scope that a resumed run must ask for.
    pub fn expected(&self, scope: &[Name]) -> impl Iterator<Item = &[Name]> {
        let inside = |path: &&Path| path.len() > scope.len() && path.starts_with(scope);
        self.recorded.keys().filter(inside).map(move |path| &path[..=scope.len()])
    }

    /// The recorded steps that a resumed run comes to: those with no recorded step around them.
    #[must_use]
    pub fn visible(&self) -> Vec<&Path> {
        let hidden =
            |path: &Path| (1..path.len()).any(|len| self.recorded.contains_key(&path[..len]));
        self.recorded.keys().filter(|path| !hidden(path)).collect()
    }
}
