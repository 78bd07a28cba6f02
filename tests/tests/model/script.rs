//! What can happen.

use idempotent_core::Guarantee;
use idempotent_core::testing::Fault;
use proptest::prelude::*;

pub(crate) const KEYS: usize = 2;
pub(crate) const LEASE_MS: u64 = 30_000;
pub(crate) const TTL_MS: u64 = 3_600_000;
/// Never a multiple of any other step, so that no two deadlines fall together.
pub(crate) const WAIT_MS: u64 = 15_507;
/// After this long a call that failed was tried again.
pub(crate) const RETRY_MS: u64 = 25;

/// One step of a script. Calls are numbered in the order of their start, and steps name one among
/// those that there are by its number modulo theirs.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A call is made; its reserve may meet a fault.
    Start { key: usize, guarantee: Guarantee, waits: bool, fault: Option<Fault> },
    /// A running body ends; the call that records it may meet a fault.
    Finish { call: usize, end: End, fault: Option<Fault> },
    /// A call's future is dropped.
    Crash { call: usize },
    /// Time passes for everybody, in seconds.
    Pass(u64),
    /// The store's clock jumps over every lease, and no owner notices.
    Lapse,
    /// The store's clock jumps over every ttl.
    Expire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its number is the result.
    Ok,
    /// An error that releases.
    Fail,
    /// An error that leaves the outcome unknown.
    Unknown,
    /// An error that holds the key for the lease.
    Hold,
    Panic,
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Fail)),
        1 => Just(Some(Fault::LoseAnswer)),
        1 => Just(Some(Fault::Repeat)),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let guarantee = prop_oneof![Just(Guarantee::AtLeastOnce), Just(Guarantee::AtMostOnce)];
    let end = prop_oneof![
        3 => Just(End::Ok), 2 => Just(End::Fail), 1 => Just(End::Unknown), 1 => Just(End::Hold),
        1 => Just(End::Panic)
    ];
    prop_oneof![
        8 => (0..KEYS, guarantee, any::<bool>(), fault())
            .prop_map(|(key, guarantee, waits, fault)| Step::Start { key, guarantee, waits, fault }),
        6 => (any::<prop::sample::Index>(), end, fault())
            .prop_map(|(call, end, fault)| Step::Finish { call: call.index(1 << 16), end, fault }),
        2 => any::<prop::sample::Index>().prop_map(|call| Step::Crash { call: call.index(1 << 16) }),
        3 => (1_u64..=12).prop_map(Step::Pass),
        3 => Just(Step::Lapse),
        1 => Just(Step::Expire),
    ]
}
