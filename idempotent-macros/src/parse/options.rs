//! The attribute's arguments: `name`, or `name = expression`, separated by commas.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, Token};

use crate::errors::Errors;

/// One option as it was written.
pub(crate) struct ParsedOption {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    /// The name alone.
    None,
    Expr(Expr),
    /// What follows the name without an `=`, which is not reported yet.
    Rest(TokenStream),
    /// Invalid, which is reported. The option still counts as given.
    Unreadable,
}

/// All options of one attribute.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) options: Vec<ParsedOption>,
    /// Whether something could not be read as an option, which is reported. Then no option is
    /// reported as missing.
    pub(crate) unreadable: bool,
}

pub(super) fn parse(args: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments::default();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let is_first = arguments.options.is_empty() && !arguments.unreadable;
            match option(input, is_first, errors) {
                Some(option) => arguments.options.push(option),
                None => arguments.unreadable = true,
            }
            separator(input, errors);
        }
        Ok(())
    };
    if let Err(error) = read.parse2(args) {
        errors.push(error);
    }
    arguments
}

fn option(input: ParseStream<'_>, is_first: bool, errors: &mut Errors) -> Option<ParsedOption> {
    let Ok(name) = input.call(Ident::parse_any) else {
        let tokens = skip_to_comma(input);
        let help = match syn::parse2::<Expr>(tokens.clone()) {
            Ok(expr) if is_first && !matches!(expr, Expr::Assign(_)) => {
                format!("write `key = {tokens}`")
            }
            _ => "write `name = value`, as in `key = order.id`".to_owned(),
        };
        errors.at(tokens, "expected the name of an option", help);
        return None;
    };
    if input.is_empty() || input.peek(Token![,]) {
        let value = Value::None;
        return Some(ParsedOption { name, value });
    }
    if !input.peek(Token![=]) || input.peek(Token![==]) || input.peek(Token![=>]) {
        let value = Value::Rest(skip_to_comma(input));
        return Some(ParsedOption { name, value });
    }
    let value = value(&name, input, errors);
    Some(ParsedOption { name, value })
}

fn value(name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> Value {
    let equals = input.parse::<Token![=]>();
    if input.is_empty() || input.peek(Token![,]) {
        errors.at(
            equals.ok(),
            format_args!("`{name}` has no value"),
            format_args!("write a value after `{name} =`"),
        );
        return Value::Unreadable;
    }
    let start = input.fork();
    match input.parse() {
        Ok(expr) => Value::Expr(expr),
        Err(error) => {
            let written = skip_to_comma(&start);
            skip_to_comma(input);
            let error = error.to_string();
            let why = error.split(", expected one of").next().unwrap_or_default();
            errors.at(
                written,
                format_args!("the value of `{name}` is not a valid expression: {why}"),
                format_args!("write an expression after `{name} =`"),
            );
            Value::Unreadable
        }
    }
}

/// Reports a missing comma where it is missing, and reads what follows as the next option.
fn separator(input: ParseStream<'_>, errors: &mut Errors) {
    if input.is_empty() || input.parse::<Token![,]>().is_ok() {
        return;
    }
    let next = input.fork().parse::<TokenTree>().ok();
    errors.at(next, "expected `,` between two options", "write a comma before this");
    if !input.peek(Ident::peek_any) {
        skip_to_comma(input);
        let _: syn::Result<Token![,]> = input.parse();
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> TokenStream {
    let mut skipped = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        skipped.extend(input.parse::<TokenTree>());
    }
    skipped
}
