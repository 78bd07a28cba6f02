//! The protocol of calls that resume: what holds with every rule, and what breaks without one.

mod held;
mod rules;
mod rules_of_recovery;
mod rules_of_stores;
mod search;
