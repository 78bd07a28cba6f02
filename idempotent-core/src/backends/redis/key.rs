//! The keys of records: `{prefix}{operation}:{hash}`, the hash in 43 characters of base64; and of journals.
//!
//! Names contain no braces, so in a cluster the slot depends on the whole key, unless the prefix has
//! braces. Keys are printable, so that an operator finds a record with `redis-cli`.
//!
//! The key of a journal is that of its record in braces, behind `{prefix}{operation}:`: so both have the same slot, and
//! whoever may use an operation's records by a pattern of an ACL may use their journals.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::RecordId;
use crate::store::HashPrefix;
#[cfg(feature = "redis-cluster")]
use crate::store::{StoreError, StoreErrorKind};

#[cfg(feature = "redis-cluster")]
const ODD_BRACES: &str = "the prefix has a brace that is no part of a hash tag, so in a cluster a record and its \
                          journal of steps would be apart: choose a prefix without braces, or one like `{shop}:`";

/// 32 bytes in base64 without padding.
pub(super) const HASH_CHARS: usize = 43;

/// Turns the ids of records into keys, and back.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    /// Whether each record has a slot of its own.
    by_slot: bool,
}

impl Keys {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix, by_slot: false }
    }

    /// For a cluster.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn in_cluster(mut self) -> Self {
        self.by_slot = !self.prefix.contains('{');
        self
    }

    /// Whether records have different slots, as in a cluster unless the prefix is a hash tag.
    pub(super) const fn are_by_slot(&self) -> bool {
        self.by_slot
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
        URL_SAFE_NO_PAD.encode_string(id.hash(), &mut key);
        key
    }

    /// The keys of a record and of its journal, with one allocation.
    pub(super) fn journaled(&self, id: &RecordId) -> JournaledKey {
        let name = id.operation();
        let operation = self.prefix.len() + name.len() + 1;
        let mut journal = String::with_capacity(2 * operation + HASH_CHARS + 2);
        for end in [":{", ":"] {
            journal.push_str(&self.prefix);
            journal.push_str(name);
            journal.push_str(end);
        }
        URL_SAFE_NO_PAD.encode_string(id.hash(), &mut journal);
        journal.push('}');
        JournaledKey { journal, record_at: operation + 1 }
    }

    /// Fails if the slot of a record in a cluster is not that of its journal, because the prefix has braces that are no
    /// hash tag, as in `a}b`.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn check_slots(&self) -> Result<(), StoreError> {
        let is_shared = match self.prefix.split_once('{') {
            None => !self.prefix.contains('}'),
            Some((_, rest)) => rest.find('}').is_some_and(|end| end > 0),
        };
        if is_shared {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, ODD_BRACES).without_answer())
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

    /// A glob that matches every key of an operation, or of all operations, and few others; and of these those whose hash
    /// begins so.
    pub(super) fn glob(&self, operation: Option<&str>, hash: Option<&HashPrefix>) -> String {
        let mut glob = String::new();
        push_literally(&mut glob, &self.prefix);
        if let Some(operation) = operation {
            push_literally(&mut glob, operation);
            glob.push(':');
        }
        if let Some(hash) = hash {
            if operation.is_none() {
                glob.push_str("*:");
            }
            // A character is six bits, and the last one may have bits that are not known.
            let characters = URL_SAFE_NO_PAD.encode(hash.bytes());
            push_literally(&mut glob, &characters[..hash.digits().len() * 4 / 6]);
        }
        glob.push('*');
        glob
    }
}

/// The key of a journal, which has that of its record within it.
pub(super) struct JournaledKey {
    journal: String,
    record_at: usize,
}

impl JournaledKey {
    pub(super) fn journal(&self) -> &str {
        &self.journal
    }

    pub(super) fn record(&self) -> &str {
        self.journal.get(self.record_at..self.journal.len() - 1).unwrap_or_default()
    }
}

/// The key of a record's journal.
pub(super) fn journal_of(key: &str) -> String {
    // The prefix and the operation, with the colon behind them, which every record's key has before its hash.
    let operation = key.get(..key.len().saturating_sub(HASH_CHARS)).unwrap_or_default();
    let mut journal = String::with_capacity(operation.len() + key.len() + 2);
    for part in [operation, "{", key, "}"] {
        journal.push_str(part);
    }
    journal
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
    fn a_record_and_its_journal_have_the_same_keys_together_as_apart() {
        for prefix in ["idem:", "", "{shop}:"] {
            let (keys, id) =
                (Keys::new(prefix.to_owned()), RecordId::of("a::b", None, &42).unwrap());
            let together = keys.journaled(&id);
            assert_eq!(together.record(), keys.of(&id));
            assert_eq!(together.journal(), journal_of(&keys.of(&id)));
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
    fn a_journals_key_is_no_records_key() {
        for prefix in ["idem:", "", "{shop}:", "a:"] {
            let keys = Keys::new(prefix.to_owned());
            let record = keys.of(&RecordId::of("shop::charge", None, &42).unwrap());
            let journal = journal_of(&record);
            assert!(journal.starts_with(&format!("{prefix}shop::charge:")), "{journal}");
            assert_eq!(keys.id(journal.as_bytes()), None, "{journal}");
        }
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn a_journal_has_its_records_slot_unless_the_prefix_has_odd_braces() {
        use redis::cluster_routing::Slot;

        let prefixes =
            ["idem:", "", "{shop}:", "a{b}c{", "a}{b}", "}a", "{a", "{}a", "a}b", "{a}}"];
        for prefix in prefixes {
            let keys = Keys::new(prefix.to_owned());
            let shared = (0..20_u32).all(|n| {
                let record = keys.of(&RecordId::of("shop::charge", None, &n).unwrap());
                Slot::for_key(&record) == Slot::for_key(journal_of(&record))
            });
            assert_eq!(keys.check_slots().is_ok(), shared, "{prefix}");
        }
    }

    #[test]
    fn a_glob_has_as_much_of_a_hash_as_its_digits_tell() {
        // 0xFB 0xEF 0xBE is `----`, and 0xFF is `_w`.
        let glob = |operation, digits| keys().glob(operation, HashPrefix::new(digits).as_ref());
        assert_eq!(glob(Some("a"), "fbef"), r"idem:a:\-\-*");
        assert_eq!(glob(None, "fbefbe"), r"idem:*:\-\-\-\-*");
        assert_eq!(glob(None, "ff"), "idem:*:_*");
        assert_eq!(glob(None, "f"), "idem:*:*");
        let whole = RecordId::of("a", None, &42).unwrap();
        let digits = whole.to_string().rsplit_once(':').unwrap().1.to_owned();
        let characters = URL_SAFE_NO_PAD.encode(whole.hash());
        let literal = characters[..42].replace('-', r"\-");
        assert_eq!(glob(Some("a"), &digits), format!("idem:a:{literal}*"));
    }

    #[test]
    fn a_glob_takes_names_and_prefixes_literally() {
        let keys = Keys::new("a[1]:".to_owned());
        assert_eq!(keys.glob(None, None), r"a\[1\]:*");
        assert_eq!(keys.glob(Some(r"b*\c"), None), r"a\[1\]:b\*\\c:*");
    }
}
