//! What the function itself must be, whatever the options say.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    FnArg, GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments, ReturnType,
    Signature, Type, TypeFnPtr, TypeImplTrait, TypePath, TypeReference,
};

use super::output;
use crate::errors::Errors;
use crate::parse::{Body, Function};

/// A response is kept as its bytes, so it may be of any type; nothing is one as well.
pub(super) fn check(function: &Function, is_response: bool, errors: &mut Errors) {
    let signature = &function.signature;
    if matches!(function.body, Body::Missing) {
        errors.at(
            &signature.ident,
            "this function has no body, so there is nothing to run once",
            "move `#[idempotent]` to the method of each `impl`",
        );
    } else if signature.asyncness.is_none() && !matches!(function.body, Body::Pinned(_)) {
        not_async(signature, errors);
        return;
    }
    if is_response {
        return;
    }
    if matches!(signature.output, ReturnType::Default) {
        errors.at(
            &signature.ident,
            "this function returns nothing, so it cannot answer for its key",
            "write `-> Result<(), E>` with an `E: From<idempotent_core::Error>`",
        );
    }
    if let Some(reference) = borrow_in_ok(&output(function)) {
        errors.at(
            reference,
            "a result that is kept cannot borrow",
            "return an owned value, as `String` for `&str`",
        );
    }
}

fn not_async(signature: &Signature, errors: &mut Errors) {
    let returns_future = match &signature.output {
        ReturnType::Type(_, ty) => ty.to_token_stream().to_string().contains("Future"),
        ReturnType::Default => false,
    };
    let help = if returns_future {
        format!("write `async fn {}` and return what the future gives", signature.ident)
    } else {
        format!("write `async fn {}`", signature.ident)
    };
    errors.at(signature.fn_token, "this function is not async", help);
}

/// The reference in the `T` of a `Result<T, E>`, or of any alias that takes `T` first.
fn borrow_in_ok(output: &Type) -> Option<TypeReference> {
    let Type::Path(path) = output else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let ok = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })?;
    let mut found = Borrow::default();
    found.visit_type(ok);
    found.reference
}

/// Whether a value of this type borrows from its caller, as far as its spelling tells.
pub(super) fn borrows(ty: &Type) -> bool {
    let mut found = Borrow::default();
    found.visit_type(ty);
    found.reference.is_some_and(|reference| !is_static(&reference)) || found.lifetime
}

fn is_static(reference: &TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

#[derive(Default)]
struct Borrow {
    reference: Option<TypeReference>,
    lifetime: bool,
}

impl<'t> Visit<'t> for Borrow {
    fn visit_type_reference(&mut self, reference: &'t TypeReference) {
        if self.reference.as_ref().is_none_or(is_static) {
            self.reference = Some(reference.clone());
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'t Lifetime) {
        // `'async_trait` is put on every `impl Trait` by the macro of that name.
        self.lifetime |= lifetime.ident != "static" && lifetime.ident != "async_trait";
    }

    // What a function takes or gives is not held by it.
    fn visit_type_fn_ptr(&mut self, _: &'t TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'t ParenthesizedGenericArguments) {}
}

/// Whether `Self` is named, which only happens inside a trait or an `impl`.
pub(super) fn mentions_self(signature: &Signature) -> bool {
    #[derive(Default)]
    struct Mentions(bool);
    impl<'t> Visit<'t> for Mentions {
        fn visit_type_path(&mut self, path: &'t TypePath) {
            let first = path.path.segments.first();
            self.0 |= first.is_some_and(|segment| segment.ident == "Self");
            visit::visit_type_path(self, path);
        }
    }
    let mut mentions = Mentions::default();
    mentions.visit_signature(signature);
    mentions.0
}

/// Whether an argument is `impl Trait`, which makes the function generic.
pub(super) fn has_impl_argument(signature: &Signature) -> bool {
    #[derive(Default)]
    struct Impl(bool);
    impl<'t> Visit<'t> for Impl {
        fn visit_type_impl_trait(&mut self, _: &'t TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Impl::default();
    for input in &signature.inputs {
        if let FnArg::Typed(argument) = input {
            found.visit_type(&argument.ty);
        }
    }
    found.0
}
