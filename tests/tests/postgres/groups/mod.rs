//! Steps that leave in groups: what they share, what they do not, and what goes wrong with one of them.

mod apart;
mod corrections;
mod failures;
mod fairness;
mod journals;
mod plans;
pub(crate) mod setup;
mod together;
