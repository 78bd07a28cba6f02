//! The names that a module defines, besides its submodules.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, ItemMacro};

use crate::module_tree::{ROOT, Tree, text};

/// Words that a name follows where an item is defined.
const KEYWORDS: [&str; 9] =
    ["struct", "enum", "union", "trait", "type", "const", "static", "fn", "macro_rules"];

/// Each module's names, in the order of [`Tree::modules`], and the macros that are at the root
/// wherever they are defined.
pub(crate) struct Definitions {
    pub(crate) modules: Vec<HashSet<String>>,
    /// With the module that defines each.
    pub(crate) exported_macros: Vec<(String, usize)>,
}

impl Definitions {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut exported_macros = Vec::new();
        let mut modules = Vec::new();
        for (id, module) in tree.modules.iter().enumerate() {
            let mut names = HashSet::new();
            for item in &module.items {
                match item {
                    Item::Const(item) => add(&mut names, &item.ident),
                    Item::Enum(item) => add(&mut names, &item.ident),
                    Item::Fn(item) => add(&mut names, &item.sig.ident),
                    Item::Static(item) => add(&mut names, &item.ident),
                    Item::Struct(item) => add(&mut names, &item.ident),
                    Item::Trait(item) => add(&mut names, &item.ident),
                    Item::TraitAlias(item) => add(&mut names, &item.ident),
                    Item::Type(item) => add(&mut names, &item.ident),
                    Item::Union(item) => add(&mut names, &item.ident),
                    Item::Macro(ItemMacro { ident: Some(ident), attrs, .. }) => {
                        if attrs.iter().any(|one| one.path().is_ident("macro_export")) {
                            exported_macros.push((text(ident), id));
                        }
                        add(&mut names, ident);
                    }
                    // `pin_project! { struct … }`
                    Item::Macro(item) => add_from_tokens(&mut names, item.mac.tokens.clone()),
                    _ => {}
                }
            }
            modules.push(names);
        }
        exported_macros.retain(|&(_, module)| module != ROOT);
        Self { modules, exported_macros }
    }
}

fn add(names: &mut HashSet<String>, ident: &syn::Ident) {
    names.insert(text(ident));
}

/// Adds the names of the items that are written out in a macro's input.
fn add_from_tokens(names: &mut HashSet<String>, tokens: TokenStream) {
    let mut after_keyword = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if KEYWORDS.iter().any(|keyword| ident == keyword) => {
                after_keyword = true;
            }
            TokenTree::Ident(ident) if after_keyword => {
                add(names, &ident);
                after_keyword = false;
            }
            _ => after_keyword = false,
        }
    }
}
