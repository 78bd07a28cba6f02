//! The second statement: `call.run(move || async move { … }).await`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use super::span::{Root, at};
use crate::check::Options;

pub(super) fn expression(
    root: &Root,
    options: &Options,
    output: &Type,
    body: &Group,
) -> TokenStream {
    if let Some(tx) = &options.tx {
        return in_transaction(root, tx, output, body);
    }
    let here = Span::mixed_site();
    let run = match (&options.detach, &options.response) {
        (Some(detach), _) => Ident::new("run_detached", at(detach)),
        // Where the type stands that has to be a response.
        (None, Some(_)) => Ident::new("run", at(output)),
        (None, None) => Ident::new("run", here),
    };
    // With the span of the body, since it is the body that is not `Send` or borrows too long.
    let start = at(&body.span());
    let block = block(body, &pin(root, output));
    let body = quote_spanned!(start=> move || async move #block);
    quote_spanned!(here=> call.#run(#body).await)
}

/// The body borrows the transaction, and the future around it returns the transaction: with a closure
/// that borrows its argument, futures would not be `Send` where lifetimes are erased.
fn in_transaction(root: &Root, tx: &Ident, output: &Type, body: &Group) -> TokenStream {
    let here = Span::mixed_site();
    let start = at(&body.span());
    let pin = pin(root, output);
    // Has the user's own name, and its span, where a warning about an unused variable belongs.
    let lend = quote_spanned!(here=> let #tx = &mut *#tx;);
    let block = block(body, &quote!(#pin #lend));
    let body = quote_spanned!(start=> move |#tx| async move {
        let result = async #block.await;
        (#tx, result)
    });
    quote_spanned!(here=> call.run(#body).await)
}

/// A line that fixes the type of the body, so that a wrong tail expression is one error at that
/// expression.
fn pin(root: &Root, output: &Type) -> TokenStream {
    let here = at(output);
    let root = root.at(here);
    quote_spanned!(here=> if false { return #root::__output::<#output>(); })
}

/// The body, with `before` in front of it.
fn block(body: &Group, before: &TokenStream) -> Group {
    let statements = body.stream();
    let mut block = Group::new(Delimiter::Brace, quote!(#before #statements));
    // The user's location, so that errors about the whole body are reported there, with our hygiene, so
    // that lints about the order of statements ignore our line.
    block.set_span(Span::mixed_site().located_at(body.span()));
    block
}
