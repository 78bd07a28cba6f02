//! What the check of a crate found, as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::arrows::{Arrows, Skipped};
use crate::graph::Graph;
use crate::layers::Placement;
use crate::module_tree::{FileId, ReadError, Tree};
use crate::rules;

/// What the check of a crate found.
#[derive(Debug)]
pub struct Report {
    name: String,
    files: Vec<String>,
    arrows: Arrows,
    has_layers: bool,
    /// Paragraphs on circles, imports against the layers, and files without a layer.
    failures: Vec<String>,
}

/// Checks the crate in a directory against the layers that `rules` has for its name.
///
/// # Errors
///
/// The crate cannot be read.
pub fn check(directory: &Path) -> Result<Report, ReadError> {
    let tree = Tree::read(directory)?;
    let layers = rules::of_crate(&tree.name);
    let mut arrows = Arrows::of(&tree);
    let placement = Placement::of(&tree.files, layers.unwrap_or_default());
    arrows.between.retain(|&(from, _), _| placement.is_checked(from));
    let mut report = Report {
        name: tree.name,
        files: tree.files,
        arrows,
        has_layers: layers.is_some(),
        failures: Vec::new(),
    };
    report.add_circles();
    if let Some(layers) = layers {
        report.add_violations(&placement);
        for path in placement.homeless(&report.files, layers) {
            report.failures.push(format!("no layer: say which layer `src/{path}` is in\n"));
        }
    }
    Ok(report)
}

impl Report {
    /// Whether nothing runs in a circle or against the layers.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// One line if the crate passed. If not, everything that is wrong and what to do about it.
    #[must_use]
    pub fn verdict(&self) -> String {
        let mut text = String::new();
        for failure in &self.failures {
            let _ = writeln!(text, "{failure}");
        }
        let (files, arrows) = (self.files.len(), self.arrows.between.len());
        let _ = write!(text, "{}: {files} files, {arrows} arrows, ", self.name);
        if self.passed() {
            text.push_str("no circle, ");
            text.push_str(if self.has_layers {
                "none against the layers"
            } else {
                "no layers to check"
            });
        } else {
            let count = self.failures.len();
            let _ = write!(text, "{count} failure{}", if count == 1 { "" } else { "s" });
        }
        let (unresolved, outside) = (self.arrows.unresolved.len(), self.arrows.outside.len());
        let _ = writeln!(text, " (skipped: {unresolved} unresolved, {outside} of other crates)");
        if !self.passed() {
            text.push_str(
                "Move what both files need into the lower one, or pass it in from above. \
                 The layers are in tests/layers/src/rules.rs.\n",
            );
        }
        text
    }

    /// Every arrow, a line each.
    #[must_use]
    pub fn arrows(&self) -> String {
        let mut text = String::new();
        for &(from, to) in self.arrows.between.keys() {
            let _ = writeln!(text, "{}", self.arrow(from, to));
        }
        text
    }

    /// Every path that drew no arrow, a line each.
    #[must_use]
    pub fn skipped(&self) -> String {
        let mut text = String::new();
        let mut list = |what: &str, skipped: &[Skipped]| {
            for Skipped { file, line, path } in skipped {
                let _ = writeln!(text, "{what}: {}:{line}: {path}", self.files[*file]);
            }
        };
        list("unresolved", &self.arrows.unresolved);
        list("of another crate", &self.arrows.outside);
        text
    }

    fn add_circles(&mut self) {
        let graph = Graph::new(self.arrows.between.keys().copied());
        for circle in graph.circles() {
            let way: Vec<_> = circle.way.iter().map(|&file| self.files[file].as_str()).collect();
            let mut text =
                format!("circle of {} files: {}\n", circle.nodes.len(), way.join(" -> "));
            for &(from, to) in self.arrows.between.keys() {
                if circle.nodes.contains(&from) && circle.nodes.contains(&to) {
                    let _ = writeln!(text, "  {}", self.arrow(from, to));
                }
            }
            self.failures.push(text);
        }
    }

    fn add_violations(&mut self, placement: &Placement) {
        let mut by_layers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for &(from, to) in self.arrows.between.keys() {
            if let Some(layers) = placement.violation(from, to) {
                by_layers.entry(layers).or_default().insert((from, to));
            }
        }
        for ((from_layer, to_layer), arrows) in by_layers {
            let mut text = format!("against the layers: {from_layer} must not import {to_layer}\n");
            for (from, to) in arrows {
                let _ = writeln!(text, "  {}", self.arrow(from, to));
            }
            self.failures.push(text);
        }
    }

    /// An arrow and the names that draw it, as `a.rs -> b.rs: Foo, bar (line 12)`.
    fn arrow(&self, from: FileId, to: FileId) -> String {
        let mut names: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (line, name) in self.arrows.between.get(&(from, to)).into_iter().flatten() {
            // A name once, where it comes first.
            if seen.insert(name) {
                names.entry(*line).or_default().push(name);
            }
        }
        let names = names.iter().map(|(line, names)| format!("{} (line {line})", names.join(", ")));
        let names = names.collect::<Vec<_>>().join("; ");
        format!("{} -> {}: {names}", self.files[from], self.files[to])
    }
}
