//! Recovery: what holds with every rule, and what breaks without one.

mod held;
mod rules;
mod search;
