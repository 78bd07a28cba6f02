//! Fails when an import of a crate runs against its layers, or in a circle.
//!
//! `cargo run -q -p idempotent-layers` checks the crates of this workspace. The layers are in
//! `rules`, and this is the order in which a crate goes through the rest:
//!
//! 1. `module_tree` reads the files that a crate consists of;
//! 2. `definitions`, `imports` and `paths` (with `tokens` for macros) collect what each module
//!    defines, imports and names;
//! 3. `resolve` finds the file that defines what a path names, through every re-export;
//! 4. `arrows` draws an arrow from file to file for each of them;
//! 5. `graph` finds circles in them, `layers` the ones that run against the layers;
//! 6. `report` says it.
//!
//! It reads source text and expands no macros. So it does not see the use of a method, which needs
//! no path; what a macro of another crate writes; and a lone name in a macro's input that neither
//! looks like a type nor is called. `--verbose` lists the paths that drew no arrow: those into the
//! crate that led nowhere, of which there should be none, and those into other crates.

mod arrows;
mod definitions;
mod graph;
mod imports;
mod layers;
mod module_tree;
mod paths;
mod report;
mod resolve;
mod rules;
mod tokens;

pub use self::module_tree::ReadError;
pub use self::report::{Report, check};
