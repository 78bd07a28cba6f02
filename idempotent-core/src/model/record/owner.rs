//! [`OwnerState`]: what the owner of a reservation last said about itself.

/// What the owner of a reservation last said about itself.
///
/// An owner that vanished says nothing: its reservation stays [`Running`](Self::Running) until its
/// lease lapses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnerState {
    /// It runs, and renews its lease.
    Running,
    /// It went away while work may still be going on elsewhere: the key is held until the lease
    /// lapses. See [`Disposition::HoldForLease`](crate::Disposition::HoldForLease).
    Held,
    /// It has ended, and nobody knows what it did. See
    /// [`Disposition::Unknown`](crate::Disposition::Unknown).
    Abandoned,
}

pub(super) const RUNNING: u8 = 0;

pub(super) const HELD: u8 = 1;

pub(super) const ABANDONED: u8 = 2;

pub(super) const fn owner_state(code: u8) -> Option<OwnerState> {
    match code {
        RUNNING => Some(OwnerState::Running),
        HELD => Some(OwnerState::Held),
        ABANDONED => Some(OwnerState::Abandoned),
        _ => None,
    }
}
