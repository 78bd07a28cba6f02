//! The function under the attribute. Its body is not parsed and stays tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Block, ExprClosure, Item, Signature, Stmt, Token, Visibility};

use super::async_trait::{self, AsyncTraitBody};
use crate::errors::Errors;

pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    /// `{ #![inner] … }`, with the rest not parsed.
    Opaque { inner: Vec<Attribute>, block: Group },
    /// What `#[async_trait]` made of an async function.
    AsyncTrait(Box<AsyncTraitBody>),
    /// A required method of a trait.
    Missing,
}

pub(super) fn parse(item: TokenStream, errors: &mut Errors) -> Option<Function> {
    match syn::parse2(item.clone()) {
        Ok(function) => Some(function),
        Err(error) => {
            errors.push(not_a_function(item, error));
            None
        }
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let defaultness = input.parse()?;
        let signature: Signature = input.parse()?;
        let body = match ungrouped(input.parse()?) {
            TokenTree::Group(block) => body(&signature, &block)?,
            _ => Body::Missing,
        };
        Ok(Self { attributes, visibility, defaultness, signature, body })
    }
}

fn body(signature: &Signature, block: &Group) -> syn::Result<Body> {
    if let Some(body) = async_trait::parse(signature, block) {
        return Ok(Body::AsyncTrait(Box::new(body)));
    }
    let split = |input: ParseStream<'_>| {
        let inner = input.call(Attribute::parse_inner)?;
        Ok((inner, input.parse::<TokenStream>()?))
    };
    let (inner, rest) = split.parse2(block.stream())?;
    let mut opaque = Group::new(block.delimiter(), rest);
    opaque.set_span(block.span());
    Ok(Body::Opaque { inner, block: opaque })
}

/// A `$body:block` of a `macro_rules!` arrives in invisible delimiters.
fn ungrouped(mut tree: TokenTree) -> TokenTree {
    while let TokenTree::Group(group) = &tree {
        let mut inside = group.stream().into_iter();
        match (group.delimiter(), inside.next(), inside.next()) {
            (Delimiter::None, Some(only), None) => tree = only,
            _ => break,
        }
    }
    tree
}

/// Whether the attribute is on a closure, or on a `let` with one.
pub(crate) fn is_closure(item: &TokenStream) -> bool {
    syn::parse2::<ExprClosure>(item.clone()).is_ok()
}

fn not_a_function(item: TokenStream, error: syn::Error) -> syn::Error {
    let is_let = |item| matches!(Block::parse_within.parse2(item).as_deref(), Ok([Stmt::Local(_)]));
    if is_closure(&item) || is_let(item.clone()) {
        return syn::Error::new_spanned(
            item.into_iter().next(),
            "`#[idempotent]` must be on an `async fn`, found a closure\n= help: write an `async fn`, which may be \
             inside of this function, or run the closure by \
             `Operation::new(\"shop.charge\").key(&id).returning::<Result<T, E>>().run(|| async { … })`",
        );
    }
    let what = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(_) | Item::Enum(_) | Item::Union(_) | Item::Type(_)) => "a type",
        Ok(Item::Trait(_)) => "a trait",
        Ok(Item::Impl(_)) => "an `impl` block",
        Ok(Item::Mod(_)) => "a module",
        Ok(Item::Const(_) | Item::Static(_)) => "a constant",
        Ok(Item::Fn(_)) | Err(_) => return error,
        Ok(_) => "another item",
    };
    let help = match what {
        "a trait" | "an `impl` block" => "move it to the methods that must take effect once",
        _ => "put it on the `async fn` that must take effect once",
    };
    let keyword = item
        .into_iter()
        .find(|token| matches!(token, TokenTree::Ident(word) if word != "pub" && word != "unsafe"));
    syn::Error::new_spanned(
        keyword,
        format!("`#[idempotent]` must be on an `async fn`, found {what}\n= help: {help}"),
    )
}
