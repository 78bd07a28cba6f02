//! The second statement: `call.run(move || async move { … }).await`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Output, Root, at};
use crate::check::Options;

pub(super) fn expression(
    root: &Root,
    options: &Options,
    output: &Output,
    body: &Group,
) -> TokenStream {
    if let Some(tx) = &options.tx {
        return within(root, tx, output, body);
    }
    let here = Span::mixed_site();
    let run = match &options.detach {
        Some(detach) => Ident::new("run_detached", at(detach)),
        None => Ident::new("run", here),
    };
    // At the body, since that is what is not `Send` or borrows too long.
    let start = at(&body.span());
    let block = block(body, &pin(root, output));
    let body = quote_spanned!(start=> move || async move #block);
    quote_spanned!(here=> call.#run(#body).await)
}

/// The body borrows the transaction, and the future around it gives it back: a closure that borrows
/// its argument would make futures that are not `Send` where lifetimes are erased.
fn within(root: &Root, tx: &Ident, output: &Output, body: &Group) -> TokenStream {
    let here = Span::mixed_site();
    let start = at(&body.span());
    let pin = pin(root, output);
    // Under the user's own name, and where a body that does not use it is told so.
    let lend = quote_spanned!(here=> let #tx = &mut *#tx;);
    let block = block(body, &quote!(#pin #lend));
    let body = quote_spanned!(start=> move |#tx| async move {
        let result = async #block.await;
        (#tx, result)
    });
    quote_spanned!(here=> call.run(#body).await)
}

/// A line that pins the body's type: a wrong tail expression is then one error on that expression.
fn pin(root: &Root, output: &Output) -> TokenStream {
    let here = at(output);
    let root = root.at(here);
    quote_spanned!(here=> if false { return #root::__private::output::<#output>(); })
}

/// The body behind lines of ours.
fn block(body: &Group, before: &TokenStream) -> Group {
    let statements = body.stream();
    let mut block = Group::new(Delimiter::Brace, quote!(#before #statements));
    // The user's place, so that errors about the body as a whole are on it; our hygiene, so that
    // lints about the order of statements do not count our line.
    block.set_span(Span::mixed_site().located_at(body.span()));
    block
}
