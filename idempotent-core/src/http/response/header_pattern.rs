//! Patterns of header names.

/// A pattern of header names: `*` stands for any characters.
#[derive(Clone, Debug)]
pub(crate) struct HeaderPattern(Box<str>);

impl HeaderPattern {
    /// # Panics
    ///
    /// If no header's name could match.
    #[track_caller]
    pub(in crate::http) fn new(pattern: &str) -> Self {
        let is_of_a_name =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(
            !pattern.is_empty() && pattern.bytes().all(is_of_a_name),
            "no header's name matches the pattern {pattern:?}: write it as in \"x-internal-*\""
        );
        Self(pattern.to_ascii_lowercase().into())
    }

    /// Whether a name in lower case matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return *self.0 == *name };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut left) = name.strip_prefix(start).and_then(|left| left.strip_suffix(end))
        else {
            return false;
        };
        // Each part where it first occurs leaves the most for those that follow.
        middle.split('*').all(|part| match left.split_once(part) {
            Some((_, rest)) => {
                left = rest;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, matches) in [
            ("etag", "etag", true),
            ("ETag", "etag", true),
            ("etag", "x-etag", false),
            ("x-*", "x-", true),
            ("x-*", "ax-b", false),
            ("*-token", "x-auth-token", true),
            ("*-token", "x-tokens", false),
            ("x-*-id", "x-request-id", true),
            ("x-*-id", "x-id", false),
            ("*auth*", "x-authority", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("*ab*ab*", "xabx", false),
            ("a*a", "a", false),
            ("*", "anything", true),
            ("**", "", true),
        ] {
            assert_eq!(HeaderPattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    #[should_panic(expected = "no header's name matches the pattern \"x internal\"")]
    fn what_no_name_matches_is_refused() {
        HeaderPattern::new("x internal");
    }
}
