//! What the clones of a store share.

use super::link::Link;
use super::names::Names;
use super::statements::Statements;
use super::transaction::Tables;

/// What the clones of a store share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) names: Names,
    pub(super) statements: Statements,
    pub(super) tables: Tables,
    channel: String,
}

impl Shared {
    pub(super) fn new(link: Link, names: Names) -> Self {
        let (statements, channel) = (Statements::new(&names), names.channel());
        let tables = Tables::new(&names);
        Self { link, names, statements, tables, channel }
    }

    /// Where the ends of calls and purges are told.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
}
