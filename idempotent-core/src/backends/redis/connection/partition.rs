//! Which commands share a connection.
//!
//! The commands of one partition use the same connection, so they are answered together or not at
//! all.

#[cfg(feature = "redis-cluster")]
use super::cluster::{SLOTS, slot_of};
use super::request::Destination;

/// How many partitions there are at most. More than a server has connections, and usually more than a
/// cluster has primaries, so that all commands of one partition go to the same server.
pub(super) const PARTITIONS: usize = 64;

/// How many connections a store has to a server that is not part of a cluster.
pub(super) const CONNECTIONS: usize = 3;

/// The partition of a command, by where it is sent.
#[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
pub(super) fn partition_of(destination: Destination<'_>, has_slots: bool) -> usize {
    match destination {
        // Neighbouring slots usually belong to the same primary.
        #[cfg(feature = "redis-cluster")]
        Destination::Key(key) if has_slots => usize::from(slot_of(key)) * PARTITIONS / SLOTS,
        // A key ends with a hash, whose last character holds only half as many bits as the others.
        Destination::Key(key) => key.bytes().nth_back(1).map_or(0, usize::from) % CONNECTIONS,
        Destination::Node(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::backends::redis::key::Keys;
    use crate::model::RecordId;

    #[test]
    fn keys_use_all_connections_and_each_always_the_same() {
        let keys = Keys::new("idem:".to_owned());
        let partition = |n: i32| {
            let id = RecordId::of("shop::charge", None, &n).unwrap();
            partition_of(Destination::Key(&keys.of(&id)), false)
        };
        let used: BTreeSet<usize> = (0..100).map(partition).collect();
        assert_eq!(used, (0..CONNECTIONS).collect());
        assert_eq!(partition(7), partition(7));
    }
}
