//! JSON, written in as many ways as there are.

use std::fmt::Write;

use super::random::Random;

/// A value whose objects have no name twice.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

const TEXTS: [&str; 8] = ["", "a", "b/c", "\"", "\\", "é", "\u{10000}", "\n"];

impl Json {
    pub(super) fn random(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 4 } else { 6 }) {
            0 => Self::Null,
            1 => Self::Bool(random.one_in(2)),
            2 => Self::Number(random.below(2_000_000) as i64 - 1_000_000),
            3 => Self::Text(random.of(&TEXTS).to_owned()),
            4 => {
                Self::Array((0..random.below(4)).map(|_| Self::random(random, depth - 1)).collect())
            }
            _ => Self::object(random, depth),
        }
    }

    pub(super) fn object(random: &mut Random, depth: usize) -> Self {
        let mut names = TEXTS.to_vec();
        random.shuffle(&mut names);
        names.truncate(random.below(5));
        let member = |name: &str| (name.to_owned(), Self::random(random, depth.saturating_sub(1)));
        Self::Object(names.into_iter().map(member).collect())
    }

    /// Changes one value, or adds one.
    pub(super) fn change(&mut self, random: &mut Random) {
        match self {
            Self::Null => *self = Self::Bool(false),
            Self::Bool(value) => *value = !*value,
            Self::Number(number) if random.one_in(2) => *self = Self::Text(number.to_string()),
            Self::Number(number) => *number += 1,
            Self::Text(text) => text.push('x'),
            Self::Array(items) => match random.below(items.len() + 1) {
                at if at < items.len() => items[at].change(random),
                _ => items.push(Self::Null),
            },
            Self::Object(members) => match random.below(members.len() + 2) {
                at if at < members.len() => members[at].1.change(random),
                at if at == members.len() && at > 0 => members[0].0.push('x'),
                _ => members.push(("new".to_owned(), Self::Null)),
            },
        }
    }

    /// The text of the value, in one of its forms.
    pub(super) fn write(&self, random: &mut Random) -> String {
        let mut out = String::new();
        self.append(random, &mut out);
        out
    }

    fn append(&self, random: &mut Random, out: &mut String) {
        space(random, out);
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => write!(out, "{value}").unwrap(),
            Self::Number(number) => append_number(*number, random, out),
            Self::Text(text) => append_text(text, random, out),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.append(random, out);
                }
                space(random, out);
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                random.shuffle(&mut members);
                out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    space(random, out);
                    append_text(name, random, out);
                    space(random, out);
                    out.push(':');
                    value.append(random, out);
                }
                space(random, out);
                out.push('}');
            }
        }
        space(random, out);
    }
}

fn space(random: &mut Random, out: &mut String) {
    out.push_str(random.of(&["", "", "", " ", "\n", "\t "]));
}

fn append_number(number: i64, random: &mut Random, out: &mut String) {
    match random.below(4) {
        0 => write!(out, "{number}.0"),
        1 => write!(out, "{number}e0"),
        2 if number % 10 == 0 && number != 0 => write!(out, "{}E+1", number / 10),
        _ => write!(out, "{number}"),
    }
    .unwrap();
}

fn append_text(text: &str, random: &mut Random, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if random.one_in(4) || matches!(character, '"' | '\\' | '\n') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                match random.one_in(2) {
                    true => write!(out, "\\u{unit:04x}"),
                    false => write!(out, "\\u{unit:04X}"),
                }
                .unwrap();
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}
