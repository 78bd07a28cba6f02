//! The keys of records: `{prefix}{operation}:{hash}`, the hash in 43 characters of base64.
//!
//! Names contain no braces, so in a cluster the slot depends on the whole key, unless the prefix has
//! braces. Keys are printable, so that an operator finds a record with `redis-cli`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::RecordId;

/// 32 bytes in base64 without padding.
const HASH_CHARS: usize = 43;

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
        key.push_str(&URL_SAFE_NO_PAD.encode(id.hash()));
        key
    }

    /// The id of the record under a key; `None` if the key is not one of this store.
    pub(super) fn id(&self, key: &[u8]) -> Option<RecordId> {
        let key = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (operation, hash) = key.rsplit_once(':')?;
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(hash, &mut bytes).ok()?;
        if length != bytes.len() {
            return None;
        }
        RecordId::from_hash(operation.to_owned(), bytes).ok()
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
            assert_eq!(keys().id(key.as_bytes()), Some(id));
            assert_eq!(key.len(), "idem:".len() + name.len() + 1 + HASH_CHARS);
        }
    }

    #[test]
    fn somebody_elses_key_is_no_record() {
        let long = format!("idem:shop::charge:{}", "A".repeat(HASH_CHARS + 1));
        let braces = format!("idem:{{shop}}:{}", "A".repeat(HASH_CHARS));
        for key in ["", "idem:", "idem:shop", "idem:shop:abc", "other:shop:abc", &long, &braces] {
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
