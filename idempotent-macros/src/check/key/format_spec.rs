//! Checks format specs in key strings by the grammar of `std::fmt`.
//!
//! The compiler would underline the wrong place in a literal that a macro wrote.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: &'static str,
    /// `{value}` stands for the expression before the `:`.
    pub(super) help: &'static str,
}

const GRAMMAR: Fault = Fault {
    what: "`std::fmt` has no such spec",
    help: "write a spec such as `{{value}:>8}` or `{{value}:04}`; put parentheses around an \
           expression that contains a `:`",
};

/// `[[fill]align][sign]['#']['0'][width]['.' precision][type]`; returns the names it reads.
pub(super) fn check(spec: &str) -> Result<Vec<String>, Fault> {
    let mut rest = spec.trim_end().chars().peekable();
    let aligns = |c: Option<char>| matches!(c, Some('<' | '^' | '>'));
    let mut ahead = rest.clone();
    let (first, second) = (ahead.next(), ahead.next());
    if aligns(second) {
        rest.nth(1);
    } else if aligns(first) {
        rest.next();
    }
    rest.next_if(|c| matches!(c, '+' | '-'));
    rest.next_if_eq(&'#');
    let mut names = Vec::new();
    names.extend(count(&mut rest)?);
    if rest.next_if_eq(&'.').is_some() {
        if rest.peek() == Some(&'*') {
            return Err(positional());
        }
        let before = rest.clone().count();
        names.extend(count(&mut rest)?);
        if rest.clone().count() == before {
            return Err(GRAMMAR);
        }
    }
    kind(&rest.collect::<String>())?;
    Ok(names)
}

/// A width or a precision: a number, or a name and `$`.
fn count(rest: &mut Peekable<Chars<'_>>) -> Result<Option<String>, Fault> {
    let mut ahead = rest.clone();
    let mut word = String::new();
    while let Some(c) = ahead.next_if(|c| c.is_alphanumeric() || *c == '_') {
        word.push(c);
    }
    let named = ahead.next_if_eq(&'$').is_some();
    if named && word.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(positional());
    }
    if named && word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        *rest = ahead;
        return Ok(Some(word));
    }
    while rest.next_if(char::is_ascii_digit).is_some() {}
    Ok(None)
}

fn kind(kind: &str) -> Result<(), Fault> {
    match kind {
        "" | "x" | "X" | "o" | "b" | "e" | "E" => Ok(()),
        "?" | "x?" | "X?" => Err(Fault {
            what: "with `?`, all calls with `None` would share one key",
            help: "write `{{value}}` for the value itself",
        }),
        "p" => Err(Fault {
            what: "an address differs from process to process",
            help: "write `{{value}}` for the value itself",
        }),
        _ => Err(GRAMMAR),
    }
}

fn positional() -> Fault {
    Fault {
        what: "a key string has no positional arguments",
        help: "write a number or a name, as in `{{value}:>8}` or `{{value}:>width$}`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_std_is_accepted() {
        for spec in [">4", "*^+#010.3", "é<8", "04", "x", "#X", ".2", "+.1e", ">4 ", "-", "08b"] {
            assert_eq!(check(spec), Ok(vec![]), "{spec}");
        }
    }

    #[test]
    fn names_in_a_spec_are_found() {
        assert_eq!(check(">width$"), Ok(vec!["width".to_owned()]));
        assert_eq!(check("w$.p$"), Ok(vec!["w".to_owned(), "p".to_owned()]));
    }

    #[test]
    fn debug_and_addresses_are_refused() {
        for spec in ["?", "#?", "x?", ">4?", "p"] {
            let help = check(spec).unwrap_err().help;
            assert_eq!(help, "write `{{value}}` for the value itself", "{spec}");
        }
    }

    #[test]
    fn positional_arguments_are_refused() {
        for spec in [".*", "0$", ">1$", ".0$"] {
            assert_eq!(check(spec), Err(positional()), "{spec}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for spec in ["d", ">>>", "4 4", ".", "Vec<u8>", "4.x"] {
            assert_eq!(check(spec), Err(GRAMMAR), "{spec}");
        }
    }
}
