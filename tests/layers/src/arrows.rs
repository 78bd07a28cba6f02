//! The arrows of a crate: from each file to those that define what it names.
//!
//! A module that only re-exports its children draws none, and an arrow through it goes on to the
//! file that defines the item. So a folder's face is in no circle with what it shows. What a module
//! defines besides re-exporting its children draws arrows to those children that its code names.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use crate::imports::{Binding, Import, of_use};
use crate::module_tree::{FileId, ModuleId, Tree};
use crate::paths::{Code, Named};
use crate::resolve::{Resolution, Resolver};

/// The arrows of a crate, and the paths that draw none.
#[derive(Debug, Default)]
pub(crate) struct Arrows {
    /// By the files from and to which they go: the lines that name something, and what.
    pub(crate) between: BTreeMap<(FileId, FileId), BTreeSet<(usize, String)>>,
    /// Paths into the crate that lead to nothing.
    pub(crate) unresolved: Vec<Skipped>,
    /// Paths that name something of another crate.
    pub(crate) outside: Vec<Skipped>,
}

/// A path that draws no arrow.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) file: FileId,
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// One module while its arrows are drawn.
struct Origin<'a> {
    tree: &'a Tree,
    resolver: &'a Resolver<'a>,
    module: ModuleId,
    named: &'a [Named],
}

impl Arrows {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut imports = Vec::new();
        let mut named = Vec::new();
        for module in &tree.modules {
            let code = Code::of(&module.items);
            let uses = module.items.iter().filter_map(|item| match item {
                Item::Use(item) => Some(of_use(item, false)),
                _ => None,
            });
            imports.push(uses.flatten().chain(code.imports).collect::<Vec<_>>());
            named.push(code.named);
        }
        let resolver = Resolver::new(tree, &imports);
        let mut arrows = Self::default();
        for module in 0..tree.modules.len() {
            let origin = Origin { tree, resolver: &resolver, module, named: &named[module] };
            for import in &imports[module] {
                arrows.add_import(&origin, import);
            }
            for named in &named[module] {
                arrows.add_named(&origin, named);
            }
        }
        arrows
    }

    fn add_import(&mut self, origin: &Origin<'_>, import: &Import) {
        let (tree, line) = (origin.tree, import.line);
        let targets = match origin.resolver.path(origin.module, &import.path, import.is_external) {
            Resolution::Inside(targets) => targets,
            resolution => return self.skip(origin, &resolution, &import.path, line),
        };
        let shows = |module| import.is_reexport && tree.is_within(module, origin.module);
        // The name of a module and of a function at once: the code tells which of them is used.
        let is_ambiguous = !import.is_reexport && !targets.modules.is_empty();
        for item in &targets.items {
            if !shows(item.module) && !is_ambiguous {
                self.add(origin, item.module, line, &item.name);
            }
        }
        // A module's name draws no arrow: what is named in it does. But a glob without such a name
        // may be there for a trait's methods.
        if import.binding == Binding::Glob {
            for &module in &targets.modules {
                let is_used = !import.is_reexport
                    && origin
                        .named
                        .iter()
                        .any(|named| origin.resolver.has(module, &named.segments[0]));
                if !is_used && !shows(module) {
                    self.add(origin, module, line, &format!("{}::*", tree.path(module)));
                }
            }
        }
    }

    fn add_named(&mut self, origin: &Origin<'_>, named: &Named) {
        let segments = &named.segments;
        if segments[0] == "Self" || (segments.len() == 1 && is_keyword(&segments[0])) {
            return;
        }
        match origin.resolver.path(origin.module, segments, named.is_external) {
            Resolution::Inside(targets) => {
                for item in targets.items {
                    self.add(origin, item.module, named.line, &item.name);
                }
            }
            // A variable, a type parameter, or a name of the prelude.
            Resolution::Outside if segments.len() == 1 => {}
            resolution => self.skip(origin, &resolution, segments, named.line),
        }
    }

    fn add(&mut self, origin: &Origin<'_>, target: ModuleId, line: usize, name: &str) {
        let files = (origin.file(), origin.tree.modules[target].file);
        if files.0 != files.1 {
            self.between.entry(files).or_default().insert((line, name.to_owned()));
        }
    }

    fn skip(&mut self, origin: &Origin<'_>, why: &Resolution, path: &[String], line: usize) {
        let skipped = Skipped { file: origin.file(), line, path: path.join("::") };
        match why {
            Resolution::Unknown => self.unresolved.push(skipped),
            Resolution::Inside(_) | Resolution::Outside => self.outside.push(skipped),
        }
    }
}

impl Origin<'_> {
    fn file(&self) -> FileId {
        self.tree.modules[self.module].file
    }
}

fn is_keyword(name: &str) -> bool {
    matches!(name, "self" | "super" | "crate")
}
