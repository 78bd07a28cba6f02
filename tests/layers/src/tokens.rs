//! The paths in the input of a macro, which is tokens that nobody can parse but the macro.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::module_tree::text;
use crate::paths::Named;

/// The paths among tokens. A lone name counts where it looks like a type, or is called.
pub(crate) fn paths(tokens: TokenStream) -> Vec<Named> {
    let mut found = Vec::new();
    scan(&tokens.into_iter().collect::<Vec<_>>(), &mut found);
    found
}

fn scan(tokens: &[TokenTree], found: &mut Vec<Named>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                scan(&group.stream().into_iter().collect::<Vec<_>>(), found);
                at += 1;
            }
            TokenTree::Ident(_) => at = path(tokens, at, found),
            _ => at += 1,
        }
    }
}

/// Reads the path that begins at an identifier, and says where it ends.
fn path(tokens: &[TokenTree], start: usize, found: &mut Vec<Named>) -> usize {
    let before = |steps: usize| start.checked_sub(steps).and_then(|at| punctuation(&tokens[at]));
    let TokenTree::Ident(first) = &tokens[start] else { return start + 1 };
    let mut segments = vec![text(first)];
    let mut end = start + 1;
    while let (Some(':'), Some(':'), Some(TokenTree::Ident(next))) = (
        tokens.get(end).and_then(punctuation),
        tokens.get(end + 1).and_then(punctuation),
        tokens.get(end + 2),
    ) {
        segments.push(text(next));
        end += 3;
    }
    // `$name` and `#name` are what a macro puts in, except for `$crate`; `.name` is a member.
    let is_variable = matches!(before(1), Some('$' | '#')) && segments[0] != "crate";
    let is_member = before(1) == Some('.') && before(2) != Some('.');
    let is_name = segments.len() > 1
        || segments[0].starts_with(char::is_uppercase)
        || matches!(tokens.get(end), Some(TokenTree::Group(group))
            if group.delimiter() == Delimiter::Parenthesis);
    // Two colons before it: of another crate, or the end of `<T as Trait>::Name`.
    let continues = before(1) == Some(':') && before(2) == Some(':');
    if is_name && !is_variable && !is_member && !continues {
        found.push(Named { is_external: false, line: first.span().start().line, segments });
    }
    end
}

fn punctuation(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punctuation) => Some(punctuation.as_char()),
        _ => None,
    }
}
