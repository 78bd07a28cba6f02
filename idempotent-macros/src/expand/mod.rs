//! From a plan to tokens. Nothing can be wrong here any more.
//!
//! ```text
//! // Input:
//! #[idempotent(key = order.id, ttl = "24h", name = "charge")]
//! async fn charge(order: Order) -> Result<Receipt, ChargeError> {
//!     gateway::charge(order.card, order.amount).await
//! }
//!
//! // Output:
//! async fn charge(order: Order) -> Result<Receipt, ChargeError> {
//!     let call = ::idempotent_core::Operation::new("charge")
//!         .ttl(::core::time::Duration::from_secs(86400))
//!         .key(&order.id)
//!         .returning::<Result<Receipt, ChargeError>>();
//!     call.run(move || async move {
//!         if false {
//!             return ::idempotent_core::__private::output::<Result<Receipt, ChargeError>>();
//!         }
//!         gateway::charge(order.card, order.amount).await
//!     })
//!     .await
//! }
//! ```

mod call;
mod key;
mod names;
mod run;

#[cfg(test)]
mod golden;

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Path, Signature, Type, parse_quote_spanned};

use crate::check::Plan;
use crate::parse::{Body, Pinned};

pub(crate) fn expand(plan: Plan) -> TokenStream {
    let (options, key, function, mut output) = plan.into_parts();
    let root = Root(options.root.clone());
    names::EraseImplTrait.visit_type_mut(&mut output);
    let statement = call::statement(&root, &options, &key, &output, &function.signature);
    let around = |body: &Group| run::expression(&root, &options, &output, body);
    let block = match function.body {
        Body::Opaque { inner, block } => {
            let run = around(&block);
            quote!({ #(#inner)* #statement #run })
        }
        Body::Pinned(pinned) => pinned_block(*pinned, statement, around),
        Body::Missing => quote!(;),
    };
    let attributes = &function.attributes;
    let (visibility, defaultness) = (&function.visibility, &function.defaultness);
    let mut signature = function.signature;
    if let Some(response) = &options.response {
        let here = at(response);
        let root = root.at(here);
        signature.output = parse_quote_spanned!(here=> -> #root::__private::Response);
    }
    quote!(#(#attributes)* #visibility #defaultness #signature #block)
}

/// `{ Box::pin(async move { …rebound arguments…; let call = …; call.run(…).await }) }`
fn pinned_block(
    pinned: Pinned,
    mut statement: TokenStream,
    around: impl FnOnce(&Group) -> TokenStream,
) -> TokenStream {
    let Pinned { pin, attributes, leading, body, renames_self, .. } = pinned;
    if renames_self {
        statement = names::self_as_dunder(statement);
    }
    let run = around(&Group::new(Delimiter::Brace, quote!(#(#body)*)));
    quote!({
        #pin(#(#attributes)* async move { #(#leading)* #statement #run })
    })
}

/// Where `idempotent_core` is found.
struct Root(Option<Path>);

impl Root {
    fn at(&self, here: Span) -> TokenStream {
        match &self.0 {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(here=> ::idempotent_core),
        }
    }
}

/// Our own tokens: with names that meet none of the user's, at the place of what they are about.
fn at(tokens: &impl Spanned) -> Span {
    Span::mixed_site().located_at(tokens.span())
}

/// The operation's name where the user gave none: where the function is.
fn path(signature: &Signature) -> TokenStream {
    let name = signature.ident.to_string();
    let suffix = format!("::{}", name.trim_start_matches("r#"));
    let here = Span::mixed_site();
    quote_spanned!(here=> ::core::concat!(::core::module_path!(), #suffix))
}

/// A return type as it is written in an expression.
type Output = Type;
