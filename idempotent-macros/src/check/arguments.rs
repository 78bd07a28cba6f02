//! The names by which the options can refer to a function's arguments.

use syn::visit::{self, Visit};
use syn::{FnArg, Ident, Local, PatIdent, Stmt};

use crate::parse::{Body, Function};

/// The names of all arguments, including those that patterns bind, without `self`.
pub(super) fn names(function: &Function) -> Vec<String> {
    let mut bound = Bound::default();
    for input in &function.signature.inputs {
        if let FnArg::Typed(argument) = input {
            bound.visit_pat(&argument.pat);
        }
    }
    if let Body::AsyncTrait(body) = &function.body {
        // `#[async_trait]` has moved the user's patterns into the body.
        body.leading.iter().for_each(|statement| {
            if let Stmt::Local(Local { pat, .. }) = statement {
                bound.visit_pat(pat);
            }
        });
    }
    bound.0.into_iter().filter(|name| !name.starts_with("__")).collect()
}

/// The names of all arguments, and `self` if there is one.
pub(super) fn names_with_self(function: &Function) -> Vec<String> {
    let mut names = names(function);
    if function.signature.receiver().is_some() {
        names.push("self".to_owned());
    }
    names
}

#[derive(Default)]
struct Bound(Vec<String>);

impl<'p> Visit<'p> for Bound {
    fn visit_pat_ident(&mut self, pattern: &'p PatIdent) {
        self.push(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }
}

impl Bound {
    fn push(&mut self, name: &Ident) {
        let name = name.to_string();
        let is_variable = name.starts_with(|c: char| c.is_lowercase() || c == '_');
        if is_variable && name != "_" && name != "self" && !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}
