//! The `use` declarations of a module, one import for each name.

use proc_macro2::Ident;
use syn::{ItemUse, UseTree, Visibility};

use crate::module_tree::text;

/// One name, or one glob, of a `use` declaration.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// Whether the path begins with `::`, which names another crate.
    pub(crate) is_external: bool,
    pub(crate) binding: Binding,
    /// Whether others can import the name from here.
    pub(crate) is_reexport: bool,
    /// Whether it is in a function, so that only this module can see it.
    pub(crate) is_local: bool,
    pub(crate) line: usize,
}

/// What an import calls what it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Name(String),
    Glob,
}

/// The imports of a `use` declaration.
pub(crate) fn of_use(item: &ItemUse, is_local: bool) -> Vec<Import> {
    let template = Import {
        path: Vec::new(),
        is_external: item.leading_colon.is_some(),
        binding: Binding::Glob,
        is_reexport: !matches!(item.vis, Visibility::Inherited),
        is_local,
        line: item.use_token.span.start().line,
    };
    let mut imports = Vec::new();
    walk(&item.tree, &mut Vec::new(), &template, &mut imports);
    imports
}

fn walk(tree: &UseTree, path: &mut Vec<String>, template: &Import, imports: &mut Vec<Import>) {
    match tree {
        UseTree::Path(part) => {
            path.push(text(&part.ident));
            walk(&part.tree, path, template, imports);
            path.pop();
        }
        UseTree::Name(name) => imports.push(named(path, &name.ident, None, template)),
        UseTree::Rename(name) => {
            imports.push(named(path, &name.ident, Some(&name.rename), template));
        }
        UseTree::Glob(glob) => imports.push(Import {
            path: path.clone(),
            line: glob.star_token.spans[0].start().line,
            ..template.clone()
        }),
        UseTree::Group(group) => {
            for tree in &group.items {
                walk(tree, path, template, imports);
            }
        }
    }
}

fn named(path: &[String], ident: &Ident, rename: Option<&Ident>, template: &Import) -> Import {
    let mut path = path.to_vec();
    // `a::{self}` imports `a`, while `self::{self as b}` is not valid.
    if ident != "self" || path.is_empty() {
        path.push(text(ident));
    }
    let name = rename.map_or_else(|| path.last().cloned().unwrap_or_default(), text);
    Import {
        path,
        binding: Binding::Name(name),
        line: ident.span().start().line,
        ..template.clone()
    }
}
