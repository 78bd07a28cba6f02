//! [`State`]: the states of a record.

/// The state of a record in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// A call is running, as far as the store can tell.
    Reserved,
    /// A reservation under *at least once* has lapsed, and no other call has taken its id. The id
    /// counts as vacant. A store that deletes such reservations never reports this state.
    Lapsed,
    /// A reservation with a journal of steps or an input has lapsed: nobody runs the call, and the next caller resumes it.
    Suspended,
    /// A reservation under *at most once* has lapsed: it is unknown whether its effect happened.
    Indeterminate,
    /// The call has completed, with or without its result.
    Completed,
}
