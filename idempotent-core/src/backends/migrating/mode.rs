//! [`MigrationMode`]: which of the two stores decides.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

/// Which of the two stores of a [`Migrating`](super::Migrating) decides. It is read from the settings of a process and
/// stays the same as long as that runs.
///
/// All processes of a fleet must be in one mode, or in two neighbouring ones: change it one step at a time, and make the
/// next change only when no process of the mode before is left.
///
/// ```
/// use idempotent_core::backends::MigrationMode;
///
/// let mode: MigrationMode = "both".parse()?;
/// assert_eq!(mode, MigrationMode::Both);
/// assert_eq!(MigrationMode::New.to_string(), "new");
/// assert!("newest".parse::<MigrationMode>().is_err());
/// # Ok::<(), idempotent_core::backends::UnknownMigrationMode>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrationMode {
    /// The old store. The new one is not asked: this is the old store as it was, and its processes may run beside
    /// those that use it without a `Migrating`.
    Old,
    /// The old store and then the new one: a call runs only if it has won both, and its result goes to both.
    Both,
    /// The new store. The old one is looked into before a call runs, for results that are not copied yet and for calls
    /// that have not ended.
    New,
}

/// A text that is not the name of a [`MigrationMode`]: `old`, `both` or `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMigrationMode(String);

impl MigrationMode {
    /// Its name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Both => "both",
            Self::New => "new",
        }
    }
}

impl fmt::Display for MigrationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MigrationMode {
    type Err = UnknownMigrationMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Old, Self::Both, Self::New]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| UnknownMigrationMode(text.to_owned()))
    }
}

impl fmt::Display for UnknownMigrationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a migration mode: write `old`, `both` or `new`", self.0)
    }
}

impl StdError for UnknownMigrationMode {}
