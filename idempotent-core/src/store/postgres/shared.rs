//! What the clones of a store share.

use std::sync::Arc;

use super::link::Link;
use super::names::Names;
use super::statements::Statements;
use super::sweep::Sweeper;
use super::transaction::Tables;
use super::wake::Hub;

/// What the clones of a store share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) names: Names,
    pub(super) statements: Statements,
    pub(super) hub: Arc<Hub>,
    pub(super) sweeper: Sweeper,
    pub(super) tables: Tables,
    channel: String,
}

impl Shared {
    pub(super) fn new(link: Link, names: Names, hub: Arc<Hub>, sweeper: Sweeper) -> Self {
        let (statements, channel) = (Statements::new(&names), names.channel());
        let tables = Tables::new(&names);
        Self { link, names, statements, hub, sweeper, tables, channel }
    }

    /// Where the ends of calls and purges are told.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
}
