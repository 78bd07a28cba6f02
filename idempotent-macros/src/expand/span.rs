//! Where our own tokens are placed, and the path of `idempotent_core` there.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

/// The path of `idempotent_core`, if the user gave one.
pub(super) struct Root(pub(super) Option<Path>);

impl Root {
    pub(super) fn at(&self, here: Span) -> TokenStream {
        match &self.0 {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(here=> ::idempotent_core),
        }
    }
}

/// A span for our own tokens: with names that cannot clash with the user's, at the place of the
/// tokens that they concern.
pub(super) fn at(tokens: &impl Spanned) -> Span {
    Span::mixed_site().located_at(tokens.span())
}
