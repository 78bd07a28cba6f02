//! Finding one record, by whatever somebody has of it.

use std::collections::BTreeMap;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::engine::Inspection;
use idempotent_core::model::{AnyKey, Key, KeyParts, RecordId};
use idempotent_core::store::{HashPrefix, Scan, Unreadable};

use super::connected::Connected;
use super::names::no_such_operation;
use super::pages::{Pace, Pages};
use super::secret::hex;
use crate::args::{StateName, Target};
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Progress, clean};

/// So many hex digits of an id are enough, if no other id begins with them.
const FEWEST_DIGITS: usize = 8;

/// So many ids are listed if several begin with the same digits.
const MOST_CANDIDATES: usize = 5;

/// What is said if no record is named.
pub(crate) const WHICH: &str =
    "which record? Name it by its id, or by --operation and --key, and --scope if it has one";

/// What is under an id.
pub(crate) enum Located {
    Record(Box<Inspection>),
    /// It is there, and cannot be read.
    Unreadable(Unreadable),
}

/// What somebody has of a record.
enum Reference {
    Id(RecordId),
    /// The first hex digits of its hash, and its operation if that is known.
    Digits(Option<String>, String),
}

/// The parts of a key or a scope.
struct Parts<'a>(&'a [String]);

impl Key for Parts<'_> {
    fn write(&self, parts: &mut KeyParts) {
        for part in self.0 {
            parts.push(part);
        }
    }
}

/// Fails unless a command names a record: that is said before anything is asked of anybody.
pub(crate) fn require_named(target: &Target) -> Result<(), Failure> {
    let is_named =
        target.record.is_some() || (target.operation.is_some() && !target.key.is_empty());
    if is_named { Ok(()) } else { Err(Failure::usage(WHICH)) }
}

/// Finds the record that a command names, as it is now.
pub(crate) async fn locate(
    store: &Connected,
    target: &Target,
    interrupt: &Interrupt,
    progress: Progress,
) -> Result<Located, Failure> {
    let found = match reference(store, target)? {
        Reference::Id(id) => inspect(store, &id, interrupt).await?,
        Reference::Digits(operation, digits) => {
            let found = search(store, operation, &digits, interrupt, progress).await;
            progress.clear();
            match found? {
                // A page of a scan has records without their steps.
                Some(Located::Record(seen)) => inspect(store, seen.id(), interrupt).await?,
                found => found,
            }
        }
    };
    let Some(found) = found else { return Err(not_found(store, target, interrupt).await) };
    match (&target.seen, &found) {
        (Some(token), Located::Record(seen)) if seen.token().to_string() != *token => {
            let id = seen.id();
            let (now, state) = (seen.token(), StateName::of(seen.state()));
            let state = state.map_or("unknown", StateName::as_str);
            let message = format!(
                "{id} has another token than {token}: it has changed since, and is now {state}, with the token {now}"
            );
            Err(Failure::new(Exit::Refused, message))
        }
        _ => Ok(found),
    }
}

/// Looks at one record, with its steps.
async fn inspect(
    store: &Connected,
    id: &RecordId,
    interrupt: &Interrupt,
) -> Result<Option<Located>, Failure> {
    match interrupt.unless_pressed(store.engine.inspect(id)).await? {
        // A database finds a record by its hash alone, and an audit line has to name it as it is.
        Ok(Some(seen)) if seen.operation() != id.operation() => {
            let (asked, found) = (quoted(id.operation()), quoted(seen.operation()));
            let message = format!("the record with these digits is of {found}, and not of {asked}");
            Err(Failure::new(Exit::NotFound, message))
        }
        Ok(seen) => Ok(seen.map(|seen| Located::Record(Box::new(seen)))),
        Err(error) if Failure::from_ref(&error).exit() == Exit::Unreadable => {
            let found = Unreadable::new(Some(id.clone()), id.to_string(), "").because_of(&error);
            Ok(Some(Located::Unreadable(found)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn not_found(store: &Connected, target: &Target, interrupt: &Interrupt) -> Failure {
    let mut text = format!("there is no such record in {}", clean(&store.place()));
    if let Some(asked) = &target.record {
        // Order numbers may consist of digits, too.
        text += &match asked.rsplit_once(':') {
            None if digits(asked).is_some() => format!(
                "; no id begins with {asked}. If that is a key: idempotent list --matching {asked}"
            ),
            Some((operation, hash)) if hash.len() < 64 && digits(hash).is_some() => format!(
                "; no id of {} begins with {hash}. Of any operation: idempotent show {hash}",
                clean(operation)
            ),
            _ => String::new(),
        };
    }
    if let (Some(operation), Some(key)) = (&target.operation, target.key.last()) {
        text += &match no_such_operation(store, interrupt, Some(operation)).await {
            // The first part is often a text of the key string, which all keys of the operation have.
            Ok(hint) if hint.is_empty() => format!(
                ". Perhaps its key has several parts, it has a scope, or the application has a secret: \
                 idempotent list --operation {} --matching {}",
                quoted(operation),
                quoted(key)
            ),
            Ok(hint) => hint,
            Err(failure) => return failure,
        };
    }
    Failure::new(Exit::NotFound, text)
}

/// What to write in the place of a text that names no record.
fn no_reference(text: &str) -> String {
    let by_key = match text.split_once(':') {
        // What people who know the parts put together.
        Some((operation, key)) if !operation.is_empty() && !key.is_empty() => format!(
            "by operation and key: `idempotent show --operation {} --key {}`, or `idempotent list --operation {} \
             --matching {}`",
            quoted(operation),
            quoted(key),
            quoted(operation),
            quoted(key)
        ),
        _ => format!("to find it by its key: `idempotent list --matching {}`", quoted(text)),
    };
    format!(
        "{text:?} is no record: write its id (shop.charge:5c83…), the store's own key, or at least {FEWEST_DIGITS} hex \
         digits of the id; {by_key}"
    )
}

fn reference(store: &Connected, target: &Target) -> Result<Reference, Failure> {
    if let Some(text) = &target.record {
        return parse(store, text).ok_or_else(|| Failure::usage(no_reference(text)));
    }
    let (Some(operation), [_, ..]) = (&target.operation, target.key.as_slice()) else {
        return Err(Failure::usage(WHICH));
    };
    let scope = Parts(&target.scope);
    let scope: Option<&dyn AnyKey> = (!target.scope.is_empty()).then_some(&scope);
    let id = store.engine.record_id(operation, scope, &Parts(&target.key));
    id.map(Reference::Id).map_err(|error| Failure::usage(error.to_string()))
}

/// Reads an id in any of its printed forms.
fn parse(store: &Connected, text: &str) -> Option<Reference> {
    // As log lines have it, and as pages and tables cut it.
    let text = text.trim().trim_start_matches(['(', '"', '`']);
    let text = text.strip_prefix("record=").unwrap_or(text);
    let text = text.trim_end_matches(['…', '.', ',', ';', ':', ')', '"', '`']);
    if let Ok(id) = text.parse() {
        return Some(Reference::Id(id));
    }
    let own = store.prefix().and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if let Some((operation, hash)) = own.rsplit_once(':') {
        if let Some(digits) = digits(hash) {
            return Some(Reference::Digits(Some(operation.to_owned()), digits));
        }
        let hash: [u8; 32] = URL_SAFE_NO_PAD.decode(hash).ok()?.try_into().ok()?;
        return RecordId::from_hash(operation.to_owned(), hash).ok().map(Reference::Id);
    }
    // As psql and sqlite3 print bytes.
    let hash = text.strip_prefix("\\x").unwrap_or(text);
    let hash = hash.strip_prefix(['x', 'X']).unwrap_or(hash).trim_matches('\'');
    digits(hash).map(|digits| Reference::Digits(None, digits))
}

/// A hash, or the beginning of one that is long enough, in lower case.
fn digits(text: &str) -> Option<String> {
    let is_hash = text.len() >= FEWEST_DIGITS
        && text.len() <= 64
        && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hash.then(|| text.to_ascii_lowercase())
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._:/@%+=,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Looks for the one record whose hash begins with these digits.
async fn search(
    store: &Connected,
    operation: Option<String>,
    digits: &str,
    interrupt: &Interrupt,
    progress: Progress,
) -> Result<Option<Located>, Failure> {
    let begins = |id: &RecordId| {
        operation.as_deref().is_none_or(|operation| id.operation() == operation)
            && id.to_string().rsplit_once(':').is_some_and(|(_, hash)| hash.starts_with(digits))
    };
    let is_whole = hex(digits).is_some();
    // By their ids: a store may show a record twice while it is read.
    let mut found: BTreeMap<String, Located> = BTreeMap::new();
    let mut scan = Scan::all();
    scan.operation = operation.clone();
    scan.hash_prefix = HashPrefix::new(digits);
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, scan);
    let begun = Instant::now();
    while let Some(page) = pages.next().await? {
        let seconds = begun.elapsed().as_secs();
        progress.say(format_args!("looking for the id that begins with {digits}: {seconds}s"));
        let records = page.entries.into_iter().filter(|seen| begins(seen.id()));
        let records = records.map(|seen| Located::Record(Box::new(seen)));
        let broken = page.unreadable.into_iter().filter(|it| it.id.as_ref().is_some_and(begins));
        for one in records.chain(broken.map(Located::Unreadable)) {
            found.insert(one.id().map(ToString::to_string).unwrap_or_default(), one);
        }
        if (is_whole && !found.is_empty()) || found.len() > MOST_CANDIDATES {
            break;
        }
    }
    if found.len() > 1 {
        return Err(several(digits, found.keys()));
    }
    Ok(found.into_values().next())
}

/// Says which ids begin with the same digits.
fn several<'a>(digits: &str, ids: impl ExactSizeIterator<Item = &'a String>) -> Failure {
    let more = if ids.len() > MOST_CANDIDATES { " and others" } else { "" };
    let ids: Vec<_> = ids.take(MOST_CANDIDATES).map(String::as_str).collect();
    let ids = ids.join(", ");
    Failure::usage(format!("several ids begin with {digits}: {ids}{more}; write more digits"))
}

impl Located {
    /// The record's id, if it is known.
    pub(crate) fn id(&self) -> Option<&RecordId> {
        match self {
            Self::Record(seen) => Some(seen.id()),
            Self::Unreadable(found) => found.id.as_ref(),
        }
    }

    /// The record, if it can be read.
    pub(crate) fn readable(self) -> Result<Box<Inspection>, Failure> {
        match self {
            Self::Record(seen) => Ok(seen),
            Self::Unreadable(found) => Err(Failure::new(
                Exit::Unreadable,
                format!("{} cannot be read: {}", found.key, found.reason),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_split_is_quoted() {
        for (text, word) in [
            ("order:7", "order:7"),
            ("basket 9", "'basket 9'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }

    #[test]
    fn ids_that_begin_with_the_same_digits_are_listed() {
        let ids: Vec<_> = (0..7).map(|number| format!("shop.charge:5c83260f{number}")).collect();
        let said = several("5c83260f", ids[..2].iter());
        let says = "several ids begin with 5c83260f: shop.charge:5c83260f0, shop.charge:5c83260f1; write more digits";
        assert_eq!(said.message(), says);
        let said = several("5c83260f", ids.iter());
        let end = "shop.charge:5c83260f4 and others; write more digits";
        assert!(said.message().ends_with(end), "{}", said.message());
    }
}
