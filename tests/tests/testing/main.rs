//! The tools for users' own tests, as users meet them. `payments` is the guide's whole test file.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod assertions;
mod crashes;
mod guide;
mod payments;
mod until_answered;
