//! Calls of several effects: their steps, and how a run goes on where the one before ended.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

mod answers;
mod at_most_once;
mod corrections;
mod crashes;
mod doubts;
mod doubts_on_stores;
mod identity;
mod joined;
mod late_owner;
mod lost_results;
mod memory;
mod nested;
mod older_builds;
mod operating;
mod operating_stores;
mod pages;
mod patient;
mod poison;
mod recovery;
mod refusals;
mod renamed;
mod resuming;
mod shop;
mod stores;
mod take_backs;
mod unrecorded;
