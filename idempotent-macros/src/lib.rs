//! The `#[idempotent]` attribute of `idempotent-core`.
//!
//! Use it from there: this crate knows no store and runs nothing. It works in three phases, none of
//! which can be skipped: `parse` reads what was written, `check` finds every mistake in it or makes a
//! plan, and `expand` writes two statements around the body.

mod check;
mod errors;
mod expand;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use self::check::Plan;
use self::errors::Errors;

#[doc = include_str!("attribute.md")]
#[proc_macro_attribute]
pub fn idempotent(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(args.into(), item.into()).into()
}

/// The whole macro. On an error, the function is emitted as it was written, next to the error
/// messages, so that editors still understand its body and its callers compile.
fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    match plan(args, item.clone()) {
        Ok(plan) => expand::expand(plan),
        Err(errors) => {
            let is_closure = parse::is_closure(&item);
            let mut tokens = errors.into_compile_error();
            tokens.extend(item);
            // In the place of an expression there is room for one alone.
            if is_closure { quote!({ #tokens }) } else { tokens }
        }
    }
}

fn plan(args: TokenStream, item: TokenStream) -> syn::Result<Plan> {
    let mut errors = Errors::new();
    let parsed = parse::parse(args, item, &mut errors);
    let plan = check::check(parsed, &mut errors);
    errors.finish(plan)
}
