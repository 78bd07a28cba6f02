//! The second statement: `call.run(move || async move { … }).await`.

use proc_macro2::{Group, Span, TokenStream};
use quote::{format_ident, quote_spanned};

use super::{Output, at};

pub(super) fn expression(
    root: &TokenStream,
    detach: bool,
    output: &Output,
    body: &Group,
) -> TokenStream {
    let here = Span::mixed_site();
    let run = if detach { "run_detached" } else { "run" };
    let run = format_ident!("{run}", span = here);
    let block = pinned_to(root, output, body);
    quote_spanned!(here=> call.#run(move || async move #block).await)
}

/// The body behind a line that pins its type: a wrong tail expression is then one error on that
/// expression.
fn pinned_to(root: &TokenStream, output: &Output, body: &Group) -> Group {
    let here = at(output);
    let body_tokens = body.stream();
    let pin = quote_spanned!(here=> if false { return #root::__private::output::<#output>(); });
    let mut block = Group::new(body.delimiter(), quote::quote!(#pin #body_tokens));
    // The user's place, so that errors about the body as a whole are on it; our hygiene, so that
    // lints about the order of statements do not count our line.
    block.set_span(here.located_at(body.span()));
    block
}
