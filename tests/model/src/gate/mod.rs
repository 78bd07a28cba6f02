//! Random programs with steps: is a renamed step noticed before its second effect, and is no honest
//! program refused?
//!
//! A [`Node`] is a body: steps, steps with steps inside, sequences, joins, branches on what a step
//! gave, errors that are swallowed, timeouts. A [`Call`] runs one as futures, polled in any order, on a
//! scheduler that lets one thing after the other happen: the body of a step ends, or the store does a
//! write. A process dies between any two of them, up to three times, and the next run resumes over the
//! [`Journal`]. A write that was under way may have been done or not.
//!
//! A journal *expects* the steps that are recorded in a scope, and those with recorded steps inside. It
//! *knows* those and the tried ones. In a resumed run
//!
//! * a recorded step gives its result at once;
//! * a step that the journal knows runs;
//! * any other waits at the gate until all that are expected in its scope have arrived. If nothing
//!   happens any more, the call is refused.
//!
//! [`GateRules`] has what it takes beyond that. Between two runs a [`Change`] renames or removes a step
//! that is recorded: then the call must be refused before the renamed step has an effect.
//!
//! What the guide must forbid is not part of [`Shape::HONEST`]: a block of several steps whose error is
//! swallowed (`let _ = async { a().await?; b().await }.await`) without a step around it. Once `a` has
//! failed and a later step is recorded, a second attempt of `a` that succeeds makes `b` a new step, which
//! waits for the later one for ever. `select!` is not there either: a recorded loser is never asked for.

mod interpreter;
mod journal;
mod program;
mod random;
mod rules;
mod run;
mod simulate;

pub use self::journal::{Journal, Path, Write};
pub use self::program::{Name, Node};
pub use self::random::Shape;
pub use self::rules::GateRules;
pub use self::simulate::{Call, Change, End};
