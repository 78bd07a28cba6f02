//! What every idempotent function must be, whatever its options.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    FnArg, GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments, ReturnType,
    Signature, Type, TypeFnPtr, TypeImplTrait, TypeParamBound, TypePath, TypeReference,
    parse_quote,
};

use crate::errors::Errors;
use crate::parse::{Body, Function};

/// A response is memoized as its bytes, so the function may return any type, or nothing.
pub(super) fn check(function: &Function, is_response: bool, errors: &mut Errors) {
    let signature = &function.signature;
    given_twice(function, errors);
    if signature.asyncness.is_none() && !matches!(function.body, Body::AsyncTrait(_)) {
        not_async(function, errors);
        return;
    }
    if is_response {
        return;
    }
    if matches!(signature.output, ReturnType::Default) {
        errors.at(
            &signature.ident,
            "an idempotent function must return `Result`, found no return type",
            "write `-> Result<(), E>`, where `E: From<idempotent_core::Error>`",
        );
    }
    if is_opaque(&function.signature.output, errors) {
        return;
    }
    if let Some(reference) = borrow_in_ok(&output(function)) {
        errors.at(
            reference,
            "a memoized result cannot borrow",
            "return an owned value, such as `String` instead of `&str`",
        );
    }
}

/// Reports a required method of a trait.
pub(super) fn missing_body(signature: &Signature, errors: &mut Errors) {
    errors.at(
        &signature.ident,
        "`#[idempotent]` must be on a function with a body",
        "move `#[idempotent]` to the method in each `impl`",
    );
}

/// The inner call would wait for the outer one, which holds its key.
fn given_twice(function: &Function, errors: &mut Errors) {
    let second = function.attributes.iter().find(|attribute| {
        let segments = &attribute.path().segments;
        let is_ours = segments.len() == 1
            || segments.first().is_some_and(|name| name.ident == "idempotent_core");
        is_ours && segments.last().is_some_and(|name| name.ident == "idempotent")
    });
    if let Some(second) = second {
        errors.at(
            second,
            "`#[idempotent]` is given twice: the inner call would find its key held by the outer one",
            "remove one of them",
        );
    }
}

fn not_async(function: &Function, errors: &mut Errors) {
    let signature = &function.signature;
    if let Body::Opaque { block, .. } = &function.body {
        let block = block.to_string();
        // What the macros of tokio say if the runtime cannot be built.
        if block.contains("Failed building the Runtime") {
            errors.at(
                signature.fn_token,
                "an idempotent function must be `async`, and `#[tokio::main]` or `#[tokio::test]` has already removed that",
                "put `#[idempotent]` above that attribute",
            );
            return;
        }
        if block.contains("block_on") {
            errors.at(
                signature.fn_token,
                "an idempotent function must be `async`",
                format_args!(
                    "write `async fn {}`; put `#[idempotent]` above an attribute that starts a runtime",
                    signature.ident
                ),
            );
            return;
        }
    }
    let returns_future = match &signature.output {
        ReturnType::Type(_, ty) => ty.to_token_stream().to_string().contains("Future"),
        ReturnType::Default => false,
    };
    let help = if returns_future {
        format!("write `async fn {}` and return the future's output", signature.ident)
    } else {
        format!("write `async fn {}`", signature.ident)
    };
    errors.at(signature.fn_token, "an idempotent function must be `async`", help);
}

/// Reports an `impl Trait` that cannot be memoized, since no type is named that could be read back.
fn is_opaque(output: &ReturnType, errors: &mut Errors) -> bool {
    let ReturnType::Type(_, output) = output else {
        return false;
    };
    let mut response = Response::default();
    response.visit_type(output);
    if let Some(response) = response.0 {
        errors.at(
            response,
            "an axum response is memoized by the flag `response`",
            "add `response` to the options, as in `#[idempotent(key = id, response)]`",
        );
        return true;
    }
    let opaque = matches!(**output, Type::ImplTrait(_));
    if opaque {
        errors.at(
            output,
            "an idempotent function must return `Result`, found `impl Trait`",
            "write `-> Result<T, E>`; a handler of axum that returns a response needs the flag `response`",
        );
    }
    opaque
}

/// An `impl IntoResponse`, wherever it stands in the type.
#[derive(Default)]
struct Response(Option<TypeImplTrait>);

impl<'t> Visit<'t> for Response {
    fn visit_type_impl_trait(&mut self, opaque: &'t TypeImplTrait) {
        let mut traits = opaque.bounds.iter().filter_map(|bound| match bound {
            TypeParamBound::Trait(bound) => bound.path.segments.last(),
            _ => None,
        });
        if traits.any(|last| last.ident == "IntoResponse") {
            self.0.get_or_insert_with(|| opaque.clone());
        }
    }
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

/// The type that the function's future returns.
pub(super) fn output(function: &Function) -> Type {
    match (&function.body, &function.signature.output) {
        (Body::AsyncTrait(body), _) => body.output.clone(),
        (_, ReturnType::Type(_, output)) => (**output).clone(),
        (_, ReturnType::Default) => parse_quote!(()),
    }
}

/// Whether a value of this type borrows from its caller, judging by how the type is written.
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
        // `#[async_trait]` puts this lifetime on every `impl Trait`.
        self.lifetime |= lifetime.ident != "static" && lifetime.ident != "async_trait";
    }

    // A function does not hold what it takes or returns.
    fn visit_type_fn_ptr(&mut self, _: &'t TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'t ParenthesizedGenericArguments) {}
}

/// Whether `Self` is named, which is only possible inside a trait or an `impl`.
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
