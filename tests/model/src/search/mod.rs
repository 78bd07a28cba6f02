//! A breadth-first search of everything that a model can do.
//!
//! [`Model`] is what is searched, [`explore`] searches it, a [`Trace`] says how a state was reached,
//! and [`Graph::cut_off`] looks for states from which no good end can be reached any more.

mod graph;
mod known;
mod model;
mod progress;
mod trace;

pub use self::graph::{Graph, Search, explore};
pub use self::model::Model;
pub use self::trace::{Step, Trace};
