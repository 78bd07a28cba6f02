//! Rewrites what means something else in the place where the expansion puts it.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Token, Type, TypeInfer};

/// `impl Trait` cannot be named in an expression; the compiler infers it.
pub(super) struct EraseImplTrait;

impl VisitMut for EraseImplTrait {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(erased) = ty {
            *ty = Type::Infer(TypeInfer {
                attrs: Vec::new(),
                underscore_token: Token![_](erased.impl_token.span),
            });
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

/// Whether a part of a type is left to the compiler.
pub(super) fn is_inferred(ty: &Type) -> bool {
    struct Find(bool);
    impl VisitMut for Find {
        fn visit_type_infer_mut(&mut self, _: &mut TypeInfer) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// Renames `self` to `__self`, as in the future that `#[async_trait]` writes, but not in `self::path`.
pub(super) fn self_as_dunder(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut renamed = TokenStream::new();
    while let Some(tree) = tokens.next() {
        let in_path =
            matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
        renamed.extend([match tree {
            TokenTree::Ident(word) if word == "self" && !in_path => {
                Ident::new("__self", word.span()).into()
            }
            TokenTree::Group(group) => {
                let inside = self_as_dunder(group.stream());
                let mut renamed = Group::new(group.delimiter(), inside);
                renamed.set_span(group.span());
                renamed.into()
            }
            other => other,
        }]);
    }
    renamed
}
