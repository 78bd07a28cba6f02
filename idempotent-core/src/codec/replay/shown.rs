//! Finds a field that differs by what `Debug` shows of two values.
//!
//! Only this finds fields that are not encoded. Names of fields are taken from the text, and never
//! a value.

/// The path to the first line that differs, by the names of the fields on the way.
pub(super) fn first_difference(before: &str, after: &str) -> Option<String> {
    let lines: Vec<&str> = before.lines().collect();
    let mut other = after.lines();
    let at = lines.iter().position(|line| other.next() != Some(*line))?;
    let mut names = Vec::new();
    let mut depth = usize::MAX;
    for line in lines[..=at].iter().rev() {
        let indent = line.len() - line.trim_start().len();
        if indent < depth {
            depth = indent;
            names.extend(field_name(line.trim_start()));
        }
    }
    names.reverse();
    (!names.is_empty()).then(|| names.join("."))
}

/// The name in `name: value`.
fn field_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(": ")?;
    let is_name = !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(card: &str, price: u8) -> String {
        let lines = [
            "Order {",
            "    id: 1,",
            "    customer: Customer {",
            "        name: \"card: 1\",",
            &format!("        card: {card},"),
            "    },",
            "    items: [",
            "        Item {",
            &format!("            price: {price},"),
            "        },",
            "    ],",
            "}",
        ];
        lines.join("\n")
    }

    #[test]
    fn the_field_is_named_with_those_around_it() {
        let before = order("Some(4111: 1111)", 2);
        assert_eq!(first_difference(&before, &order("None", 2)).unwrap(), "customer.card");
        let masked = order("Some(****)", 2);
        assert_eq!(first_difference(&before, &masked).unwrap(), "customer.card");
        assert_eq!(
            first_difference(&before, &order("Some(4111: 1111)", 3)).unwrap(),
            "items.price"
        );
        assert_eq!(first_difference(&before, &before), None);
        assert_eq!(first_difference("Some(\n    1,\n)", "Some(\n    2,\n)"), None);
    }
}
