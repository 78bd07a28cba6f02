//! The second statement: `call.run(move || async move { … }).await`.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Output, Root, at};

pub(super) fn expression(
    root: &Root,
    detach: Option<&Ident>,
    output: &Output,
    body: &Group,
) -> TokenStream {
    let here = Span::mixed_site();
    let run = match detach {
        Some(detach) => Ident::new("run_detached", at(detach)),
        None => Ident::new("run", here),
    };
    // At the body, since that is what is not `Send` or borrows too long.
    let start = at(&body.span());
    let block = pinned_to(root, output, body);
    let body = quote_spanned!(start=> move || async move #block);
    quote_spanned!(here=> call.#run(#body).await)
}

/// The body behind a line that pins its type: a wrong tail expression is then one error on that
/// expression.
fn pinned_to(root: &Root, output: &Output, body: &Group) -> Group {
    let here = at(output);
    let root = root.at(here);
    let statements = body.stream();
    let pin = quote_spanned!(here=> if false { return #root::__private::output::<#output>(); });
    let mut block = Group::new(body.delimiter(), quote!(#pin #statements));
    // The user's place, so that errors about the body as a whole are on it; our hygiene, so that
    // lints about the order of statements do not count our line.
    block.set_span(here.located_at(body.span()));
    block
}
