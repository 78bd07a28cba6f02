//! Finds what a path names: the module that defines the item, through every re-export and glob.
//!
//! Whether a name is visible where it is used is left to the compiler.

use std::collections::BTreeSet;

use crate::definitions::Definitions;
use crate::imports::{Binding, Import};
use crate::module_tree::{ModuleId, ROOT, Tree};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Modules and items of the crate. A name can be both, and differ between `cfg`s.
    Inside(Targets),
    /// Something of another crate, or nothing that a module's scope has.
    Outside,
    /// A name that was not found in the module of the crate that should have it.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    pub(crate) modules: BTreeSet<ModuleId>,
    pub(crate) items: BTreeSet<Target>,
}

/// An item, and the module that defines it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) module: ModuleId,
    pub(crate) name: String,
}

pub(crate) struct Resolver<'t> {
    tree: &'t Tree,
    definitions: Definitions,
    /// Each module's imports, those in its functions included.
    imports: &'t [Vec<Import>],
}

/// What a name is in a module's scope.
#[derive(Default)]
struct Found {
    /// Whether the scope has the name, if only for something of another crate.
    is_bound: bool,
    targets: Targets,
}

/// The imports that are being followed, as module and index, so that none is followed in a circle.
type Followed = Vec<(ModuleId, usize)>;

impl<'t> Resolver<'t> {
    pub(crate) fn new(tree: &'t Tree, imports: &'t [Vec<Import>]) -> Self {
        Self { tree, definitions: Definitions::of(tree), imports }
    }

    /// What a path names in a module.
    pub(crate) fn path(&self, module: ModuleId, path: &[String], is_external: bool) -> Resolution {
        if is_external { Resolution::Outside } else { self.follow(module, path, &mut Vec::new()) }
    }

    /// Whether a module has a name, and others can use it from there.
    pub(crate) fn has(&self, module: ModuleId, name: &str) -> bool {
        self.lookup(module, name, false, &mut Vec::new()).is_bound
    }

    fn follow(&self, module: ModuleId, path: &[String], followed: &mut Followed) -> Resolution {
        let Some((start, rest)) = path.split_first() else { return Resolution::Outside };
        let mut rest = rest;
        let mut found = match start.as_str() {
            "crate" => Found::module(ROOT),
            "self" => Found::module(module),
            "super" => match self.tree.modules[module].parent {
                Some(parent) => Found::module(parent),
                None => return Resolution::Unknown,
            },
            name => self.lookup(module, name, true, followed),
        };
        if !found.is_bound {
            return Resolution::Outside;
        }
        while let Some((name, others)) = rest.split_first() {
            let parents = &found.targets.modules;
            // What follows an item is its variant or its associated item.
            if parents.is_empty() {
                break;
            }
            let mut next = Found::default();
            for &parent in parents {
                if name == "super" {
                    next.merge(self.tree.modules[parent].parent.map(Found::module));
                } else {
                    next.merge(Some(self.lookup(parent, name, parent == module, followed)));
                }
            }
            if !next.is_bound {
                if found.targets.items.is_empty() {
                    return Resolution::Unknown;
                }
                found.targets.modules.clear();
                break;
            }
            found = next;
            rest = others;
        }
        if found.targets == Targets::default() {
            Resolution::Outside
        } else {
            Resolution::Inside(found.targets)
        }
    }

    /// What a module's scope has under a name. `from_inside` includes what its functions import.
    fn lookup(
        &self,
        module: ModuleId,
        name: &str,
        from_inside: bool,
        followed: &mut Followed,
    ) -> Found {
        let mut found = Found::default();
        for &child in &self.tree.modules[module].children {
            if self.tree.modules[child].name == name {
                found.merge(Some(Found::module(child)));
            }
        }
        if self.definitions.modules[module].contains(name) {
            found.merge(Some(Found::item(module, name)));
        }
        if module == ROOT {
            for (exported, definer) in &self.definitions.exported_macros {
                if exported == name {
                    found.merge(Some(Found::item(*definer, name)));
                }
            }
        }
        let mut globs = Vec::new();
        for (index, import) in self.imports[module].iter().enumerate() {
            if (import.is_local && !from_inside) || followed.contains(&(module, index)) {
                continue;
            }
            match &import.binding {
                Binding::Name(bound) if bound == name => {
                    found.merge(Some(self.import(module, index, followed)));
                }
                Binding::Name(_) => {}
                Binding::Glob => globs.push(index),
            }
        }
        // A name of its own hides those that a glob brings.
        if !found.is_bound {
            for index in globs {
                let providers = self.import(module, index, followed).targets.modules;
                followed.push((module, index));
                for provider in providers {
                    found.merge(Some(self.lookup(provider, name, false, followed)));
                }
                followed.pop();
            }
        }
        found
    }

    /// What an import brings.
    fn import(&self, module: ModuleId, index: usize, followed: &mut Followed) -> Found {
        let import = &self.imports[module][index];
        let mut found = Found { is_bound: true, targets: Targets::default() };
        if !import.is_external {
            followed.push((module, index));
            if let Resolution::Inside(targets) = self.follow(module, &import.path, followed) {
                found.targets = targets;
            }
            followed.pop();
        }
        found
    }
}

impl Found {
    fn module(module: ModuleId) -> Self {
        let targets = Targets { modules: [module].into(), items: BTreeSet::new() };
        Self { is_bound: true, targets }
    }

    fn item(module: ModuleId, name: &str) -> Self {
        let items = [Target { module, name: name.to_owned() }].into();
        Self { is_bound: true, targets: Targets { modules: BTreeSet::new(), items } }
    }

    fn merge(&mut self, other: Option<Self>) {
        if let Some(other) = other {
            self.is_bound |= other.is_bound;
            self.targets.modules.extend(other.targets.modules);
            self.targets.items.extend(other.targets.items);
        }
    }
}
