//! A Redis Cluster: [`connector`] connects to it, [`commands`] sends to one of its nodes, and
//! [`slot`] and [`slot_range`] tell which primary has a key.

pub(super) mod commands;
mod connector;
mod slot;
mod slot_range;

pub(in crate::backends::redis) use self::connector::ClusterConnector;
pub(in crate::backends::redis) use self::slot::{SLOTS, slot_of, tag_of, tags_of};
pub(in crate::backends::redis) use self::slot_range::SlotRange;
