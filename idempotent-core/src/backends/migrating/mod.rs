//! [`Migrating`]: a store that is on its way from one store to another, while calls go on; and [`Mover`], which copies
//! what is completed.
//!
//! # The protocol
//!
//! A fleet changes its settings process by process, so at any moment processes of two neighbouring
//! [modes](MigrationMode) run side by side, and never of three. What decides between two processes is a store that both
//! of them must win:
//!
//! | mode | reserves | completes | answers a replay from |
//! |---|---|---|---|
//! | `Old` | in the old store | in the old store | the old store |
//! | `Both` | in the old store, then in the new one, and runs only with both | in the old store, then in the new one | the old store, then the new one |
//! | `New` | in the new store, and then looks whether the old one has something | in the new store | the new store, then the old one |
//!
//! `Old` and `Both` share the old store, `Both` and `New` the new one. `Old` and `New` share none.
//!
//! Both reservations of a `Both` process are one record with one token, so whatever is said of a call by its token holds in
//! both stores.
//!
//! **Rule 1. Whoever runs a body has won the store of its mode, and has seen after that win that no other store has the call.**
//! `Both` and `New` each write first and look then: `Both` wins the old store and then asks the new one by its
//! reservation, `New` wins the new store and then looks into the old one. Of the two orders in which these four can
//! interleave, none lets both run. Both may step back; then both are told that the call is in progress, and nothing has run.
//! Whoever steps back releases only what has its own token.
//!
//! **Rule 2. A completed record beats everything that is not one,** wherever it is. A reservation beside it belongs to an
//! owner that steps back, or died between two messages. So every answer but *won* and *completed* is given only after a
//! look into the other store (`look`).
//!
//! **Rule 3. A result is written to the old store first, and to the new one then.** A process that dies in between leaves
//! it where `Old`, `Both` and `New` all look. If the old store cannot be reached, the result is written to the new one
//! if that still has the reservation, and the caller tries again: `Both` and `New` find it there.
//!
//! **Rule 4. What is given up is given up in both stores at once** (release, abandon), and by its token. A reservation that is
//! left in one of them is respected there until it lapses, and nothing runs. In `New`, the old store's answer counts only
//! where an operator frees an indeterminate record: a call of this mode never has a reservation there.
//!
//! **Rule 5. The old store's lease is the one that counts in `Both`,** since `Old` sees no other, and `New` respects it.
//! The new one is renewed beside it, and is no more than a second lock. Where it has lapsed and the old one has not, the
//! call runs: `load` and `scan` say so, and an operator who reads only the new store is told otherwise.
//!
//! **Rule 6. A purge and a correction are made in the old store first, and in the new one then.** The mover looks into the
//! old store right before each copy and after it, also after one whose answer was lost, and takes back what was purged in
//! between. A mover that is killed between a copy and that look, or whose copy is still on its way, cannot: then the purge
//! is made once more in the new store. A process in `Old` purges the old store alone.
//!
//! What a crash leaves:
//!
//! | a process dies | what stands there | what becomes of it |
//! |---|---|---|
//! | `Both`, between its two wins | a reservation in the old store | lapses; nothing has run. Under *at most once* it is indeterminate, as after any crash |
//! | `Both`, while the body runs | one reservation in each | both lapse, as their guarantee says |
//! | `Both`, between the two completions | the result in the old store, a reservation in the new one | everybody replays the result; the mover copies it over the reservation, which has its token |
//! | `Both`, between the two releases | a reservation in one store | lapses; under *at most once* it is indeterminate |
//! | `New`, between its win and its look | a reservation in the new store | lapses. If the old store has the result, that is replayed, and the mover removes the reservation |
//! | `Both`, once the new store could not be asked, or did not answer in time | nothing in the old store: that reservation is released, whatever the error. The new store may have one that was on its way | the call may be tried again. What arrives in the new store later is released by the engine, or lapses; under *at most once* it is then indeterminate though nothing ran |
//! | the mover | some copies | its next pass goes on: a copy that is there is left alone. A record that was purged at that moment may be back |
//!
//! A lease that lapses between the two wins is not noticed here: the engine counts it from before the first message, and
//! starts no body after its end.
//!
//! What this does not promise: where a lease lapses under *at least once* while its owner still runs, the body runs twice, as
//! with any store, and in `Both` beside `New` each store may keep the result of another run. The mover reports such keys. So it
//! does where an operator resolved a call in the old store whose owner was alive after all: the operator's result stands
//! there, and the owner's, which came later, in the new one.
//!
//! # Stores that hang
//!
//! A store that is asked second, for a reservation or for a look, has a sixth of the lease to answer, and at most two seconds
//! (`limits`). That is shorter than the engine's own limit of five seconds for both, so the engine is told that the second
//! store was away, which does not open its circuit, and `Both` has the time to release the old store's reservation. A
//! [`store_timeout`](crate::IdempotencyBuilder::store_timeout) that is shorter than this defeats it, and so does a first store
//! that takes more than three of the five seconds.
//!
//! In `Both`, a renewal waits for the new store no longer than a tenth of a second after the old one has answered, and the end
//! of a call for a twelfth of the lease, and at most a second. A result that the old store has is recorded, whatever the new one
//! says: the mover copies it.
//!
//! # What it refuses
//!
//! Calls with steps or an input, and calls within a caller's transaction, live in one store by their nature: a journal is
//! written in the same atomic step as its reservation, and a transaction has one database. In `Both` and `New` they are
//! refused, as by any store that has neither; in `Old` they are not.

mod both;
mod join;
mod limits;
mod look;
mod mode;
mod mover;
mod new;
mod report;
mod store;
mod transfer;
mod wait;

pub use self::mode::{MigrationMode, UnknownMigrationMode};
pub use self::mover::{MovePass, Mover};
pub use self::report::MoveReport;
pub use self::store::Migrating;
