//! Collects mistakes, so that all of them are reported at once, each at its own tokens.

use std::fmt::Display;
use std::thread;

use proc_macro2::Span;
use quote::ToTokens;

/// The mistakes found so far. Must end in [`Errors::finish`]: dropping it without that is a bug in this
/// crate and panics, since code with an unreported mistake would compile into something else.
pub(crate) struct Errors {
    found: Option<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: Some(Vec::new()) }
    }

    /// Adds a mistake at these tokens: what is wrong, and what to write instead.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, what: impl Display, help: impl Display) {
        self.push(syn::Error::new_spanned(tokens, text(what, help)));
    }

    /// Adds a mistake at a span that is not the span of any tokens.
    pub(crate) fn at_span(&mut self, span: Span, what: impl Display, help: impl Display) {
        self.push(syn::Error::new(span, text(what, help)));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.get_or_insert_default().push(error);
    }

    /// Returns what was made of the input, unless there were mistakes.
    pub(crate) fn finish<T>(mut self, made: Option<T>) -> syn::Result<T> {
        let found = self.found.take().unwrap_or_default();
        let all = found.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        });
        match (all, made) {
            (None, Some(made)) => Ok(made),
            (Some(all), _) => Err(all),
            (None, None) => Err(syn::Error::new(
                Span::call_site(),
                "`#[idempotent]` failed without an error message: please report this as a bug",
            )),
        }
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if self.found.is_some() && !thread::panicking() {
            panic!("mistakes were collected and never reported");
        }
    }
}

fn text(what: impl Display, help: impl Display) -> String {
    format!("{what}\n= help: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported() {
        let mut errors = Errors::new();
        errors.at_span(Span::call_site(), "one", "write two");
        errors.at_span(Span::call_site(), "three", "write four");
        let all = errors.finish(Some(())).unwrap_err();
        let texts: Vec<_> = all.into_iter().map(|error| error.to_string()).collect();
        assert_eq!(texts, ["one\n= help: write two", "three\n= help: write four"]);
    }

    #[test]
    #[should_panic(expected = "never reported")]
    fn mistakes_that_nobody_looks_at_are_a_bug() {
        drop(Errors::new());
    }
}
