//! What to write instead of a string that forgot its braces, or its arguments.

/// What somebody meant who wrote `text`, judging by the names of the function's arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Correction {
    /// The text is an expression in quotes, such as `order.id`, of this argument.
    Expression { argument: String },
    /// The text as a key string, with the braces that it lacks.
    Braces(String),
    /// The text mentions no argument.
    None,
}

/// Reads a string that has no interpolation.
pub(super) fn correct(text: &str, arguments: &[String]) -> Correction {
    // Literal braces may be braces that were doubled by mistake.
    let text = text.replace(['{', '}'], "");
    let words = words(&text);
    if let [(0, word)] = words[..] {
        if let Some(argument) = argument_of(word, arguments).filter(|_| word.len() == text.len()) {
            return Correction::Expression { argument: argument.to_owned() };
        }
    }
    let mut corrected = String::new();
    let mut rest = 0;
    for (i, (start, word)) in words.iter().enumerate() {
        let Some(argument) = argument_of(word, arguments) else { continue };
        // In `order:order.id` the first word is the text, and the last one the value.
        let again =
            words[i + 1..].iter().any(|(_, later)| argument_of(later, arguments) == Some(argument));
        if again {
            continue;
        }
        corrected.push_str(&text[rest..*start]);
        corrected.push('{');
        corrected.push_str(word);
        corrected.push('}');
        rest = start + word.len();
    }
    if rest == 0 {
        return Correction::None;
    }
    corrected.push_str(&text[rest..]);
    Correction::Braces(corrected)
}

/// The argument that most likely identifies a call.
pub(super) fn likely_key(arguments: &[String]) -> Option<&str> {
    let by = |is_meant: fn(&str) -> bool| arguments.iter().find(|name| is_meant(name));
    let found = by(|name| name == "id" || name == "key")
        .or_else(|| by(|name| name.ends_with("_id") || name.ends_with("_key")))
        .or_else(|| by(|name| !name.starts_with('_')));
    found.or(arguments.first()).map(String::as_str)
}

/// The words of a text, each with its start: a name, and the names after dots.
fn words(text: &str) -> Vec<(usize, &str)> {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, is_inside(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from, text[from..at].trim_end_matches('.')));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// The argument that an expression such as `order.id` begins with.
fn argument_of<'n>(word: &str, arguments: &'n [String]) -> Option<&'n str> {
    let mut names = word.split('.');
    let first = names.next()?;
    let is_field = |name: &str| !name.is_empty();
    let argument = arguments.iter().find(|argument| *argument == first)?;
    names.all(is_field).then_some(argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Correction {
        correct(text, &["order".to_owned(), "tenant".to_owned()])
    }

    fn braces(text: &str) -> Correction {
        Correction::Braces(text.to_owned())
    }

    #[test]
    fn an_expression_in_quotes_is_recognized() {
        let argument = || "order".to_owned();
        assert_eq!(read("order"), Correction::Expression { argument: argument() });
        assert_eq!(read("order.id"), Correction::Expression { argument: argument() });
        assert_eq!(read("{order}"), Correction::Expression { argument: argument() });
    }

    #[test]
    fn forgotten_braces_are_added() {
        assert_eq!(read("order:order.id"), braces("order:{order.id}"));
        assert_eq!(read("order:{order.id}"), braces("order:{order.id}"));
        assert_eq!(read("charge:order"), braces("charge:{order}"));
        assert_eq!(read("tenant/order.line.0!"), braces("{tenant}/{order.line.0}!"));
        assert_eq!(read("order order order."), braces("order order {order}."));
    }

    #[test]
    fn a_text_without_arguments_is_left_alone() {
        for text in ["nightly", "orders", "border.id", "order..id", ""] {
            assert_eq!(read(text), Correction::None, "{text}");
        }
    }

    #[test]
    fn the_likely_key_is_an_id() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            likely_key(&names).map(str::to_owned)
        };
        assert_eq!(of(&["amount", "order_id"]).as_deref(), Some("order_id"));
        assert_eq!(of(&["order_id", "id"]).as_deref(), Some("id"));
        assert_eq!(of(&["_unused", "order"]).as_deref(), Some("order"));
        assert_eq!(of(&[]), None);
    }
}
