//! The keys of records: `{prefix}{operation}:{hash}`, which is the prefix and the text of a record's id.
//!
//! Names contain no braces, so in a cluster the slot depends on the whole key, unless the prefix has
//! braces. Keys are printable, so that an operator finds a record with `redis-cli`, by the id that a log line shows.

use crate::model::RecordId;

/// 32 bytes in hexadecimal digits.
const HASH_CHARS: usize = 64;

/// Turns the ids of records into keys, and back.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of a record.
    pub(super) fn of(&self, id: &RecordId) -> String {
        let name = id.operation();
        let mut key = String::with_capacity(self.prefix.len() + name.len() + 1 + HASH_CHARS);
        key.push_str(&self.prefix);
        key.push_str(name);
        key.push(':');
        key.push_str(&blake3::Hash::from_bytes(*id.hash()).to_hex());
        key
    }

    /// The id of the record under a key; `None` if the key is not one of this store.
    pub(super) fn id(&self, key: &[u8]) -> Option<RecordId> {
        let text = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        // The digits of a key are in lower case; others are no key of this store.
        let is_lower = !text.bytes().rev().take(HASH_CHARS).any(|byte| byte.is_ascii_uppercase());
        text.parse().ok().filter(|_| is_lower)
    }

    /// A glob that matches every key of an operation, or of all operations, and few others.
    pub(super) fn glob(&self, operation: Option<&str>) -> String {
        let mut glob = String::new();
        push_literally(&mut glob, &self.prefix);
        if let Some(operation) = operation {
            push_literally(&mut glob, operation);
            glob.push(':');
        }
        glob.push('*');
        glob
    }
}

fn push_literally(glob: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            glob.push('\\');
        }
        glob.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new("idem:".to_owned())
    }

    #[test]
    fn a_key_leads_back_to_its_record() {
        for name in ["shop::charge", "a", "a:", "операция::🔑", "a*?[b]\\"] {
            let id = RecordId::of(name, None, &42).unwrap();
            let key = keys().of(&id);
            assert_eq!(key, format!("idem:{id}"), "what an operator reads finds the record");
            assert_eq!(keys().id(key.as_bytes()), Some(id));
            assert_eq!(key.len(), "idem:".len() + name.len() + 1 + HASH_CHARS);
        }
    }

    #[test]
    fn somebody_elses_key_is_no_record() {
        let long = format!("idem:shop::charge:{}", "a".repeat(HASH_CHARS + 1));
        let braces = format!("idem:{{shop}}:{}", "a".repeat(HASH_CHARS));
        let upper = format!("idem:shop::charge:{}", "A".repeat(HASH_CHARS));
        for key in
            ["", "idem:", "idem:shop", "idem:shop:abc", "other:shop:abc", &long, &braces, &upper]
        {
            assert_eq!(keys().id(key.as_bytes()), None, "{key}");
        }
        assert_eq!(keys().id(b"idem:\xff"), None);
    }

    #[test]
    fn a_glob_takes_names_and_prefixes_literally() {
        let keys = Keys::new("a[1]:".to_owned());
        assert_eq!(keys.glob(None), r"a\[1\]:*");
        assert_eq!(keys.glob(Some(r"b*\c")), r"a\[1\]:b\*\\c:*");
    }
}
