//! The function with the two statements around its body.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote;
use syn::parse_quote_spanned;
use syn::visit_mut::VisitMut;

use super::span::{Root, at};
use super::{call, rewrite, run};
use crate::check::Plan;
use crate::parse::{AsyncTraitBody, Body};

pub(crate) fn expand(plan: Plan) -> TokenStream {
    let (options, key, function, mut output) = plan.into_parts();
    let root = Root(options.root.clone());
    rewrite::EraseImplTrait.visit_type_mut(&mut output);
    let statement = call::statement(&root, &options, key.as_ref(), &output, &function.signature);
    let around = |body: &Group| run::expression(&root, &options, &output, body);
    let block = match function.body {
        Body::Opaque { inner, block } => {
            let run = around(&block);
            quote!({ #(#inner)* #statement #run })
        }
        Body::AsyncTrait(body) => async_trait_block(*body, statement, around),
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
fn async_trait_block(
    original: AsyncTraitBody,
    mut statement: TokenStream,
    around: impl FnOnce(&Group) -> TokenStream,
) -> TokenStream {
    let AsyncTraitBody { pin, attributes, leading, body, renames_self, .. } = original;
    if renames_self {
        statement = rewrite::self_as_dunder(statement);
    }
    let run = around(&Group::new(Delimiter::Brace, quote!(#(#body)*)));
    quote!({
        #pin(#(#attributes)* async move { #(#leading)* #statement #run })
    })
}
