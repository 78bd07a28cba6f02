//! "Did you mean": the nearest name, if one is near enough to be a typing error.

/// The name closest to `written`: within one edit, or one for every three letters of a longer word.
pub(super) fn nearest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let reach = (written.chars().count() / 3).max(1);
    names
        .iter()
        .map(|name| (distance(written, name), *name))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, name)| name)
}

/// The Levenshtein distance, with two swapped neighbours counted as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let replaced = table[i - 1][j - 1] + change;
                let edited = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if swapped { edited.min(table[i - 2][j - 2] + 1) } else { edited }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name() {
        let names = ["ttl", "name", "fingerprint", "max_run"];
        assert_eq!(nearest("tll", &names), Some("ttl"));
        assert_eq!(nearest("nmae", &names), Some("name"));
        assert_eq!(nearest("fingreprints", &names), Some("fingerprint"));
        assert_eq!(nearest("maxrun", &names), Some("max_run"));
    }

    #[test]
    fn a_different_word_finds_none() {
        assert_eq!(nearest("expiry", &["ttl", "key", "store"]), None);
        assert_eq!(nearest("step", &["store"]), None);
        assert_eq!(nearest("tx", &["ttl", "key"]), None);
    }
}
