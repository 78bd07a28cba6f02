//! Golden expansions: each file in `tests/expand` contains a function and its expansion.
//!
//! `UPDATE_EXPANSIONS=1 cargo test -p idempotent-macros` writes the expansions again.

use std::path::PathBuf;
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, File, ImplItem, Item, TraitItem};

const SEPARATOR: &str = "\n// Expands to:\n\n";
const LINE_BUDGET: usize = 15;
const LINE_BUDGET_OF_A_STEP: usize = 12;

struct Case {
    name: String,
    path: PathBuf,
    input: String,
    expected: String,
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (input, expected) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
            Case {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                input: input.to_owned(),
                expected: expected.to_owned(),
                path,
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Replaces every function under `#[idempotent]`, given the attribute's arguments.
fn replace(mut file: File, with: impl Fn(TokenStream, TokenStream) -> TokenStream) -> String {
    for item in &mut file.items {
        match item {
            Item::Fn(function) => {
                if let Some(args) = take_attribute(&mut function.attrs) {
                    *item = syn::parse2(with(args, function.to_token_stream())).unwrap();
                }
            }
            Item::Impl(block) => {
                for item in &mut block.items {
                    let ImplItem::Fn(function) = item else {
                        continue;
                    };
                    if let Some(args) = take_attribute(&mut function.attrs) {
                        *item = syn::parse2(with(args, function.to_token_stream())).unwrap();
                    }
                }
            }
            Item::Trait(block) => {
                for item in &mut block.items {
                    let TraitItem::Fn(function) = item else {
                        continue;
                    };
                    if let Some(args) = take_attribute(&mut function.attrs) {
                        *item = syn::parse2(with(args, function.to_token_stream())).unwrap();
                    }
                }
            }
            _ => {}
        }
    }
    prettyplease::unparse(&file)
}

fn take_attribute(attributes: &mut Vec<Attribute>) -> Option<TokenStream> {
    let at = attributes.iter().position(|attribute| attribute.path().is_ident("idempotent"))?;
    let attribute = attributes.remove(at);
    Some(attribute.meta.require_list().unwrap().tokens.clone())
}

impl Case {
    fn file(&self) -> File {
        syn::parse_file(&self.input).unwrap()
    }

    /// The file as it expands.
    fn expanded(&self) -> String {
        replace(self.file(), crate::expand)
    }

    /// The file without the attribute.
    fn plain(&self) -> String {
        replace(self.file(), |_, function| function)
    }
}

#[test]
fn every_expansion_is_as_it_was_reviewed() {
    let cases = cases();
    assert!(cases.len() >= 40, "only {} expansions", cases.len());
    for case in cases {
        let expanded = case.expanded();
        if env::var_os("UPDATE_EXPANSIONS").is_some() {
            let text = format!("{}{SEPARATOR}{expanded}", case.input);
            fs::write(&case.path, text).unwrap();
        } else {
            assert_eq!(expanded, case.expected, "{}", case.name);
        }
    }
}

#[test]
fn no_expansion_adds_more_than_fifteen_lines_and_no_step_more_than_twelve() {
    for case in cases() {
        let (before, after) = (case.plain().lines().count(), case.expanded().lines().count());
        let is_step = case.name.starts_with("step");
        let budget = if is_step { LINE_BUDGET_OF_A_STEP } else { LINE_BUDGET };
        assert!(after <= before + budget, "{}: {before} lines became {after}", case.name);
    }
}

#[test]
fn every_expansion_has_its_body_once_and_allows_no_lint() {
    for case in cases() {
        let (before, after) = (case.plain(), case.expanded());
        assert!(after.contains("gateway::"), "{}: no body", case.name);
        for word in ["gateway::", "allow("] {
            assert_eq!(
                before.matches(word).count(),
                after.matches(word).count(),
                "{}: {word}",
                case.name
            );
        }
    }
}
