//! Finding one record, by whatever somebody has of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::engine::Inspection;
use idempotent_core::model::{AnyKey, Key, KeyParts, RecordId};
use idempotent_core::store::{Scan, Unreadable};

use super::connected::Connected;
use super::pages::{Pace, Pages};
use super::secret::hex;
use crate::args::Target;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;

/// So many hex digits of an id are enough, if no other id begins with them.
const FEWEST_DIGITS: usize = 8;

/// What is under an id.
pub(crate) enum Located {
    Record(Box<Inspection>),
    /// It is there, and cannot be read.
    Unreadable(Unreadable),
}

/// What somebody has of a record.
enum Reference {
    Id(RecordId),
    /// The first hex digits of its hash.
    Digits(String),
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

/// Finds the record that a command names, as it is now.
pub(crate) async fn locate(
    store: &Connected,
    target: &Target,
    interrupt: &Interrupt,
) -> Result<Located, Failure> {
    let found = match reference(store, target)? {
        Reference::Id(id) => match interrupt.unless_pressed(store.engine.inspect(&id)).await? {
            Ok(seen) => seen.map(|seen| Located::Record(Box::new(seen))),
            Err(error) if Failure::from_ref(&error).exit() == Exit::Unreadable => {
                let found = Unreadable::new(Some(id.clone()), id.to_string(), error.to_string());
                Some(Located::Unreadable(found))
            }
            Err(error) => return Err(error.into()),
        },
        Reference::Digits(digits) => search(store, &digits, interrupt).await?,
    };
    let Some(found) = found else { return Err(not_found(target)) };
    match (&target.seen, &found) {
        (Some(token), Located::Record(seen)) if seen.token().to_string() != *token => {
            let id = seen.id();
            let message = format!("{id} has another token than {token}: it has changed since");
            Err(Failure::new(Exit::Refused, message))
        }
        _ => Ok(found),
    }
}

fn not_found(target: &Target) -> Failure {
    let hint = match (&target.operation, target.key.first()) {
        (Some(operation), Some(key)) => format!(
            ". Perhaps its key has several parts, or it has a scope: \
             idempotent list --operation {operation} --matching {key}"
        ),
        _ => String::new(),
    };
    Failure::new(Exit::NotFound, format!("there is no such record{hint}"))
}

fn reference(store: &Connected, target: &Target) -> Result<Reference, Failure> {
    if let Some(text) = &target.record {
        return parse(store, text).ok_or_else(|| {
            Failure::usage(format!(
                "{text:?} is no record: write its id (shop.charge:5c83…), the store's own key, or at least \
                 {FEWEST_DIGITS} hex digits of the id"
            ))
        });
    }
    let (Some(operation), [_, ..]) = (&target.operation, target.key.as_slice()) else {
        return Err(Failure::usage(
            "which record? Name it by its id, or by --operation and --key, and --scope if it has one",
        ));
    };
    let scope = Parts(&target.scope);
    let scope: Option<&dyn AnyKey> = (!target.scope.is_empty()).then_some(&scope);
    let id = store.engine.record_id(operation, scope, &Parts(&target.key));
    id.map(Reference::Id).map_err(|error| Failure::usage(error.to_string()))
}

/// Reads an id in any of its printed forms.
fn parse(store: &Connected, text: &str) -> Option<Reference> {
    if let Ok(id) = text.parse() {
        return Some(Reference::Id(id));
    }
    let own = store.prefix().and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if let Some((operation, hash)) = own.rsplit_once(':') {
        let hash: [u8; 32] = URL_SAFE_NO_PAD.decode(hash).ok()?.try_into().ok()?;
        return RecordId::from_hash(operation.to_owned(), hash).ok().map(Reference::Id);
    }
    // As psql and sqlite3 print bytes.
    let digits = text.strip_prefix("\\x").unwrap_or(text);
    let digits = digits.strip_prefix(['x', 'X']).unwrap_or(digits).trim_matches('\'');
    let digits = digits.to_ascii_lowercase();
    let is_hash = digits.len() >= FEWEST_DIGITS
        && digits.len() <= 64
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hash.then_some(Reference::Digits(digits))
}

/// Looks for the one record whose hash begins with these digits.
async fn search(
    store: &Connected,
    digits: &str,
    interrupt: &Interrupt,
) -> Result<Option<Located>, Failure> {
    let begins = |id: &RecordId| {
        id.to_string().rsplit_once(':').is_some_and(|(_, hash)| hash.starts_with(digits))
    };
    let is_whole = hex(digits).is_some();
    let mut found: Option<Located> = None;
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, Scan::all());
    while let Some(page) = pages.next().await? {
        let records = page.entries.into_iter().filter(|seen| begins(seen.id()));
        let records = records.map(|seen| Located::Record(Box::new(seen)));
        let broken = page.unreadable.into_iter().filter(|it| it.id.as_ref().is_some_and(begins));
        for one in records.chain(broken.map(Located::Unreadable)) {
            if found.as_ref().is_some_and(|found| found.id() != one.id()) {
                return Err(Failure::usage(format!(
                    "several ids begin with {digits}: write more digits"
                )));
            }
            found = Some(one);
        }
        if is_whole && found.is_some() {
            break;
        }
    }
    Ok(found)
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
