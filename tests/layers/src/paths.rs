//! The paths that a module's code names: in expressions, types, patterns, attributes and macros.

use std::collections::HashSet;

use syn::visit::{self, Visit};
use syn::{
    Attribute, Field, ImplItemFn, Item, ItemFn, ItemMod, ItemUse, Local, Macro, Meta, PatIdent,
    Path, Signature, TraitItemFn, Visibility,
};

use crate::imports::{Import, of_use};
use crate::module_tree::{attributes, is_left_out, text};
use crate::tokens;

/// A path that code names.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    /// Whether it begins with `::`, which names another crate.
    pub(crate) is_external: bool,
    pub(crate) line: usize,
}

/// What a module's code names, and what its functions import.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) named: Vec<Named>,
    pub(crate) imports: Vec<Import>,
    /// The variables of the functions around the code that is visited.
    variables: Vec<HashSet<String>>,
}

impl Code {
    /// Of a module's own items, its imports left out.
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut code = Self::default();
        for item in items.iter().filter(|item| !matches!(item, Item::Use(_))) {
            code.visit_item(item);
        }
        code
    }

    fn add(&mut self, named: Named) {
        let is_variable = named.segments.len() == 1
            && self.variables.iter().any(|names| names.contains(&named.segments[0]));
        if !is_variable {
            self.named.push(named);
        }
    }

    /// Visits a function, whose variables are no paths.
    fn within(&mut self, variables: Variables, visit: impl FnOnce(&mut Self)) {
        self.variables.push(variables.0);
        visit(self);
        self.variables.pop();
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first() {
            self.add(Named {
                segments: path.segments.iter().map(|segment| text(&segment.ident)).collect(),
                is_external: path.leading_colon.is_some(),
                line: first.ident.span().start().line,
            });
        }
        // Generic arguments are paths too.
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.visit_path(&mac.path);
        for named in tokens::paths(mac.tokens.clone()) {
            self.add(named);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            for named in tokens::paths(list.tokens.clone()) {
                self.add(named);
            }
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.imports.extend(of_use(item, true));
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_left_out(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        let mut variables = Variables::of(&item.sig);
        variables.visit_block(&item.block);
        self.within(variables, |code| visit::visit_item_fn(code, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if is_left_out(&item.attrs) {
            return;
        }
        let mut variables = Variables::of(&item.sig);
        variables.visit_block(&item.block);
        self.within(variables, |code| visit::visit_impl_item_fn(code, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        let mut variables = Variables::of(&item.sig);
        if let Some(block) = &item.default {
            variables.visit_block(block);
        }
        self.within(variables, |code| visit::visit_trait_item_fn(code, item));
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if !is_left_out(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !is_left_out(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    // Who may see an item is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    // A module of its own, if it is in no function.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
}

/// The names that a function's parameters, `let`s and closures bind.
#[derive(Default)]
struct Variables(HashSet<String>);

impl Variables {
    fn of(signature: &Signature) -> Self {
        let mut variables = Self::default();
        variables.visit_signature(signature);
        variables
    }
}

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        let name = text(&pattern.ident);
        // `None` and `LIMIT` look like variables, and are none.
        if !name.starts_with(char::is_uppercase) {
            self.0.insert(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
}
