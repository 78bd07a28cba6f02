//! A whole store in one file: a journal on disk, so that records survive the process.
//!
//! Run it with `cargo run -p examples-basics --bin custom_store`.
//!
//! Every step on an id is one line appended to the journal and one change of a map, both under one
//! lock: that is what makes a step atomic. It serves one process at a time. The contract suite of
//! `idempotent_core::testing` holds a store to all of its rules.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use idempotent_core::call::CallOutcome;
use idempotent_core::model::{Guarantee, Outcome, Record, RecordId};
use idempotent_core::store::{
    Abandon, Complete, CompleteOutcome, Cursor, Entry, IfVacant, Page, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, Scan, State, Store, StoreError, StoreErrorKind,
};
use idempotent_core::{Error, Idempotency, Operation};

/// The store.
#[derive(Debug)]
pub(crate) struct JournalStore {
    journal: Mutex<Journal>,
}

#[derive(Debug)]
struct Journal {
    file: File,
    slots: BTreeMap<String, Slot>,
    /// Set once a write failed, since the file may then end in half a line.
    broken: bool,
}

/// What stands under an id, and when its lease or its time ends: milliseconds since 1970.
#[derive(Clone, Debug)]
struct Slot {
    record: Record,
    until: u64,
}

impl JournalStore {
    /// Opens the journal at `path`, or starts one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, or is not a journal.
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        // A crash in the middle of a write leaves half a line at the end. Nobody was answered then.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut slots = BTreeMap::new();
        for line in text.lines() {
            let (id, slot) = parse(line).ok_or(io::ErrorKind::InvalidData)?;
            match slot {
                Some(slot) => slots.insert(id, slot),
                None => slots.remove(&id),
            };
        }
        let now = now();
        slots.retain(|_, slot| slot.state(now).is_some());

        // The journal starts anew with what is left, in a file that replaces the old one whole.
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        for (id, slot) in &slots {
            writeln!(file, "{}", line(id, Some(slot)))?;
        }
        fs::rename(&fresh, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { journal: Mutex::new(Journal { file, slots, broken: false }) })
    }

    /// The lock is held over a write to the file. A store for a busy service would write on a
    /// thread of its own.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for JournalStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let (mut journal, now) = (self.lock(), now());
        if let Some(entry) = journal.standing(request.id, now) {
            // The same attempt asks again, because it did not get its answer.
            let own = entry.record.token() == request.token() && entry.state == State::Reserved;
            return Ok(if own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) });
        }
        journal.put(request.id, request.record(), after(now, request.lease()))?;
        Ok(ReserveOutcome::Won)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        let (mut journal, now) = (self.lock(), now());
        let token = request.reservation.token();
        match journal.standing(request.id, now) {
            Some(entry) if entry.state == State::Reserved && entry.record.token() == token => {
                journal.put(request.id, &entry.record, after(now, request.lease))?;
                Ok(RenewOutcome::Renewed)
            }
            _ => Ok(RenewOutcome::Lost),
        }
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let (mut journal, now) = (self.lock(), now());
        let token = request.reservation.token();
        match journal.entry(request.id, now) {
            // Completed is final, for its own attempt too.
            Some(entry) if entry.record.token() == token && entry.state == State::Completed => {
                return Ok(CompleteOutcome::Recorded);
            }
            Some(entry) if entry.record.token() == token => {}
            Some(entry) if entry.state != State::Lapsed => {
                return Ok(CompleteOutcome::Superseded(entry));
            }
            _ if request.if_vacant == IfVacant::Refuse => return Ok(CompleteOutcome::Gone),
            _ => {}
        }
        journal.put(request.id, request.record, after(now, request.ttl))?;
        Ok(CompleteOutcome::Recorded)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let (mut journal, now) = (self.lock(), now());
        let Some(entry) = journal.entry(request.id, now) else { return Ok(()) };
        let goes = match entry.state {
            State::Reserved | State::Lapsed => true,
            State::Indeterminate => request.indeterminate,
            _ => false,
        };
        if goes && entry.record.token() == request.reservation.token() {
            journal.remove(request.id)?;
        }
        Ok(())
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        let (mut journal, now) = (self.lock(), now());
        let token = request.reservation.token();
        let own = |entry: &Entry| entry.state != State::Completed && entry.record.token() == token;
        let Some(entry) = journal.entry(request.id, now).filter(own) else { return Ok(()) };
        let until = match (request.ends_lease(), entry.state, entry.remaining) {
            // The lease goes on as it is.
            (false, State::Reserved, Some(remaining)) => after(now, remaining),
            _ => now,
        };
        journal.put(request.id, request.record, until)
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(self.lock().entry(id, now()))
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let mut journal = self.lock();
        let found = journal.entry(id, now()).is_some();
        if found {
            journal.remove(id)?;
        }
        Ok(found)
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        let (journal, now) = (self.lock(), now());
        let start = request.cursor.as_ref().map_or("", |cursor| cursor.0.as_str());
        let mut page = Page::new(Vec::new(), None);
        // Cursors are ids, and a page starts behind the last one's.
        for (id, slot) in journal.slots.range(start.to_owned()..).filter(|(id, _)| *id != start) {
            let Some(entry) = slot.entry(now) else { continue };
            if !request.wants(entry.state, &entry.record) {
                continue;
            }
            if let (true, Some((last, _))) =
                (page.entries.len() >= request.limit.max(1), page.entries.last())
            {
                page.next = Some(Cursor(last.to_string()));
                break;
            }
            let id = id.parse().map_err(StoreError::unavailable)?;
            page.entries.push((id, entry));
        }
        Ok(page)
    }
}

impl Journal {
    fn entry(&self, id: &RecordId, now: u64) -> Option<Entry> {
        self.slots.get(&id.to_string())?.entry(now)
    }

    /// What keeps others out: a lapsed reservation does not.
    fn standing(&self, id: &RecordId, now: u64) -> Option<Entry> {
        self.entry(id, now).filter(|entry| entry.state != State::Lapsed)
    }

    fn put(&mut self, id: &RecordId, record: &Record, until: u64) -> Result<(), StoreError> {
        let (id, slot) = (id.to_string(), Slot { record: record.clone(), until });
        self.append(&line(&id, Some(&slot)))?;
        self.slots.insert(id, slot);
        Ok(())
    }

    fn remove(&mut self, id: &RecordId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.append(&line(&id, None))?;
        self.slots.remove(&id);
        Ok(())
    }

    /// First to the file, then to the map: nobody is told what a crash of this process could undo.
    /// To outlast a power failure, it would `sync_data` as well.
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        if self.broken {
            let message = "the journal is broken since an earlier write: open it again";
            return Err(StoreError::new(StoreErrorKind::Unavailable, message));
        }
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        self.broken = written.is_err();
        written.map_err(StoreError::unavailable)
    }
}

impl Slot {
    /// The state at `now`, and when it ends; `None`, if nothing is left.
    fn state(&self, now: u64) -> Option<(State, Option<u64>)> {
        let open = now < self.until;
        let retained = after(self.until, self.record.retention());
        match (self.record.outcome(), self.record.guarantee()) {
            (Outcome::Reserved, _) if open => Some((State::Reserved, Some(self.until))),
            (Outcome::Reserved, Guarantee::AtMostOnce) => {
                (now < retained).then_some((State::Indeterminate, Some(retained)))
            }
            (Outcome::Reserved, _) => Some((State::Lapsed, None)),
            _ => open.then_some((State::Completed, Some(self.until))),
        }
    }

    fn entry(&self, now: u64) -> Option<Entry> {
        let (state, until) = self.state(now)?;
        let remaining = until.map(|until| Duration::from_millis(until - now));
        Some(Entry::new(self.record.clone(), state, remaining))
    }
}

/// Leases must outlive the process, so the wall's clock judges them. It must not be set back.
fn now() -> u64 {
    after(0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn after(now: u64, span: Duration) -> u64 {
    now.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// A line is an id, and what stands under it from now on: `until` and the record in hex, or
/// nothing. Ids have no spaces and no line breaks.
fn line(id: &str, slot: Option<&Slot>) -> String {
    let Some(Slot { record, until }) = slot else { return id.to_owned() };
    let hex: String = record.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{id} {until} {hex}")
}

fn parse(line: &str) -> Option<(String, Option<Slot>)> {
    let Some((id, rest)) = line.split_once(' ') else { return Some((line.to_owned(), None)) };
    let (until, hex) = rest.split_once(' ')?;
    let pairs = hex.as_bytes().chunks(2).map(std::str::from_utf8);
    let bytes = pairs.map(|pair| u8::from_str_radix(pair.ok()?, 16).ok());
    let record = Record::from_bytes(&bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    Some((id.to_owned(), Some(Slot { record, until: until.parse().ok()? })))
}

const CHARGE: Operation = Operation::new("charge");

/// Charges an order, unless it was charged before.
async fn charge(engine: &Idempotency, order: u32) -> (Result<String, Error>, CallOutcome) {
    let call = CHARGE.key(&order).engine(engine).returning::<Result<String, Error>>();
    call.run_with_outcome(|| async move { Ok(format!("receipt for order {order}")) }).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let path = std::env::temp_dir().join(format!("idempotent-{}.journal", std::process::id()));
    for process in ["one process", "the next one"] {
        let engine = Idempotency::new(JournalStore::open(&path)?);
        for order in [1, 2] {
            let (receipt, ended) = charge(&engine, order).await;
            println!("{process:<13} order {order}  {:<9} {}", ended.as_str(), receipt?);
        }
    }
    println!("{} lines were in the journal", fs::read_to_string(&path)?.lines().count());
    fs::remove_file(&path)?;
    Ok(())
}
