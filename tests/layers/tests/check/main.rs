//! Crates of a few lines, each with one fault or with something that only looks like one.

mod against;
mod circles;
mod scene;
mod silent;
