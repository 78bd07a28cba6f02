//! What `#[async_trait]` makes of an async function before this macro sees it.
//!
//! It is expanded first, since it is on the `impl`:
//!
//! ```text
//! fn charge<'life0, 'async_trait>(&'life0 self, __arg1: Json<Order>)
//!     -> Pin<Box<dyn Future<Output = Result<Receipt, E>> + Send + 'async_trait>>
//! {
//!     Box::pin(async move {
//!         if let Some(__ret) = None::<Result<Receipt, E>> { return __ret; }
//!         let __self = self;
//!         let Json(order) = { let __arg1 = __arg1; __arg1 };
//!         let __ret: Result<Receipt, E> = { … };
//!         __ret
//!     })
//! }
//! ```
//!
//! The leading statements stay where they are, so that options can name the arguments as the user
//! did. The rest is the body.

use proc_macro2::Group;
use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprCall, GenericArgument, Local, Pat, PathArguments,
    ReturnType, Signature, Stmt, Type, TypeParamBound,
};

pub(crate) struct AsyncTraitBody {
    /// The `R` of `Pin<Box<dyn Future<Output = R>>>`.
    pub(crate) output: Type,
    /// `Box::pin`.
    pub(crate) pin: Expr,
    pub(crate) attributes: Vec<Attribute>,
    /// The statements that pin the type and rebind the arguments.
    pub(crate) leading: Vec<Stmt>,
    pub(crate) body: Vec<Stmt>,
    /// Whether `self` is named `__self` after the leading statements.
    pub(crate) renames_self: bool,
}

/// Recognizes such a function. If this is another one, it is reported as not async.
pub(super) fn parse(signature: &Signature, block: &Group) -> Option<AsyncTraitBody> {
    if signature.asyncness.is_some() {
        return None;
    }
    let output = pinned_output(&signature.output)?;
    if !has_lifetime(signature) {
        return None;
    }
    let block: Block = syn::parse2(block.to_token_stream()).ok()?;
    let [Stmt::Expr(Expr::Call(call), None)] = &block.stmts[..] else {
        return None;
    };
    let (pin, future) = pinned_future(call)?;
    let mut leading = future.block.stmts;
    let at = leading.iter().position(|statement| !is_leading(statement)).unwrap_or(leading.len());
    let body = leading.split_off(at);
    let renames_self = leading.iter().any(renames_self);
    Some(AsyncTraitBody { output, pin, attributes: future.attrs, leading, body, renames_self })
}

/// Whether the lifetime is declared that `#[async_trait]` adds. A future boxed by hand has none of that name.
fn has_lifetime(signature: &Signature) -> bool {
    signature.generics.lifetimes().any(|param| param.lifetime.ident == "async_trait")
}

/// `Pin<Box<dyn Future<Output = R> + …>>` to `R`.
fn pinned_output(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, pin) = output else {
        return None;
    };
    let GenericArgument::Type(boxed) = only_argument(pin, "Pin")? else {
        return None;
    };
    let GenericArgument::Type(Type::TraitObject(object)) = only_argument(boxed, "Box")? else {
        return None;
    };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let future = bound.path.segments.last()?;
        let PathArguments::AngleBracketed(arguments) = &future.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => {
                Some(output.ty.clone())
            }
            _ => None,
        })
    })
}

fn only_argument<'t>(ty: &'t Type, name: &str) -> Option<&'t GenericArgument> {
    let Type::Path(path) = ty else {
        return None;
    };
    let segment = path.path.segments.last()?;
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) if segment.ident == name => arguments.args.first(),
        _ => None,
    }
}

fn pinned_future(call: &ExprCall) -> Option<(Expr, ExprAsync)> {
    let Expr::Path(pin) = &*call.func else {
        return None;
    };
    match (pin.path.segments.last(), call.args.first()) {
        (Some(name), Some(Expr::Async(future)))
            if name.ident == "pin" && call.args.len() == 1 && future.capture.is_some() =>
        {
            Some((Expr::Path(pin.clone()), future.clone()))
        }
        _ => None,
    }
}

fn is_leading(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(Expr::If(check), _) => pins_type(&check.cond),
        Stmt::Local(local) => rebinds_argument(local),
        _ => false,
    }
}

/// `let Some(__ret) = None::<R>`.
fn pins_type(condition: &Expr) -> bool {
    let Expr::Let(condition) = condition else {
        return false;
    };
    matches!(&*condition.expr, Expr::Path(none)
        if none.path.segments.last().is_some_and(|name| name.ident == "None" && !name.arguments.is_none()))
}

/// `let x = x;`, `let __self = self;` or `let (a, b) = { let __arg1 = __arg1; __arg1 };`.
fn rebinds_argument(local: &Local) -> bool {
    let Some(init) = &local.init else {
        return false;
    };
    let inner = match &*init.expr {
        Expr::Path(_) => return init.diverge.is_none() && !matches!(local.pat, Pat::Type(_)),
        Expr::Block(inner) => &inner.block.stmts[..],
        _ => return false,
    };
    matches!(inner, [Stmt::Local(bound), Stmt::Expr(Expr::Path(read), None)]
        if matches!(&bound.pat, Pat::Ident(name) if read.path.is_ident(&name.ident)
            && name.ident.to_string().starts_with("__arg")))
}

fn renames_self(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Local(Local { pat: Pat::Ident(name), .. }) if name.ident == "__self")
}
