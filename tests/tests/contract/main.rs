//! The store contract: the stores that keep it, and broken ones that do not.

mod broken;
mod faulty;
mod flaws;
mod memory;
mod observed;
mod reference;
mod verdicts;
mod wrappers;
