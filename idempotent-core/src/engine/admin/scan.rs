//! Pages of records: as the store has them, and those of calls in doubt with the steps of each.

use std::collections::HashSet;
use std::time::Duration;

use super::inspect::Inspection;
use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::model::RecordId;
use crate::store::{Cursor, Scan, Unreadable};

/// A page of calls in doubt ends once their steps have so many bytes.
pub(in crate::engine) const PAGE_STEP_BYTES: usize = 16 * 1024 * 1024;

/// A page that grows, and what its steps have taken.
struct Growing {
    page: InspectionPage,
    handled: HashSet<[u8; 32]>,
    step_bytes: usize,
}

impl Idempotency {
    /// Returns one page of the store's records, for example to a reconciliation job.
    ///
    /// A page of [what is in doubt](Scan::in_doubt) has the steps of its calls, without what they returned. Once these take
    /// 16 MiB, the page ends, with a cursor, however few calls it has. The steps of the last call may exceed that; and Redis,
    /// whose pages do not end anywhere, adds up to as many calls again, or about ten. While a journal is loaded, it is in
    /// memory with its results, one at a time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, store::Scan};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let page = engine.scan(&Scan::all()).await?;
    /// for broken in &page.unreadable {
    ///     eprintln!("{}: {}", broken.key, broken.reason);
    ///     if let Some(id) = &broken.id {
    ///         engine.purge(id).await?; // the next call with this key runs its body
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] if the store fails.
    pub async fn scan(&self, scan: &Scan) -> Result<InspectionPage, Error> {
        let found = self.find(scan).await?;
        if !scan.in_doubt {
            return Ok(found);
        }
        let InspectionPage { entries, unreadable, next } = found;
        let page = InspectionPage { entries: Vec::new(), unreadable, next };
        let mut growing = Growing { page, handled: HashSet::new(), step_bytes: 0 };
        let all = entries.len();
        for found in entries {
            self.add_in_doubt(found, &mut growing).await?;
            let handled = growing.handled.len();
            if growing.step_bytes >= PAGE_STEP_BYTES && handled < all {
                return self.end_early(scan, handled, growing).await;
            }
        }
        Ok(growing.page)
    }

    /// Ends a page where its steps have become too many: the store says where so many records end.
    async fn end_early(
        &self,
        scan: &Scan,
        handled: usize,
        mut growing: Growing,
    ) -> Result<InspectionPage, Error> {
        let shorter = self.find(&scan.clone().limit(handled)).await?;
        // Those that are here for the first time: Redis gives some more than it is asked for.
        for found in shorter.entries {
            if !growing.handled.contains(found.id.hash()) {
                self.add_in_doubt(found, &mut growing).await?;
            }
        }
        growing.page.unreadable = shorter.unreadable;
        growing.page.next = shorter.next;
        Ok(growing.page)
    }

    async fn add_in_doubt(&self, found: Inspection, growing: &mut Growing) -> Result<(), Error> {
        growing.handled.insert(*found.id.hash());
        let before = growing.page.entries.len();
        self.keep_in_doubt(found, &mut growing.page.entries).await?;
        let added = &growing.page.entries[before..];
        growing.step_bytes += added.iter().map(Inspection::step_bytes).sum::<usize>();
        Ok(())
    }

    /// A page as the store has it: authentic records, without their steps.
    async fn find(&self, scan: &Scan) -> Result<InspectionPage, Error> {
        let call = self.store().scan(scan);
        let page = self.0.call(Transition::Admin, Duration::MAX, call).await;
        let page = page.map_err(|error| {
            Error::new(ErrorKind::Store, "scan").detail(error.to_string()).caused_by(error)
        })?;
        let wants =
            |id: &RecordId| scan.hash_prefix.as_ref().is_none_or(|prefix| prefix.matches(id));
        let (mut entries, mut unreadable) = (Vec::new(), page.unreadable);
        unreadable.retain(|found| found.id.as_ref().is_none_or(wants));
        for (id, entry) in page.entries.into_iter().filter(|(id, _)| wants(id)) {
            match self.find_forgery(&id, &entry.record) {
                None => entries.push(Inspection::found(id, entry)),
                Some(why) => {
                    let key = id.to_string();
                    let why = format!("not authentic: {why}");
                    unreadable.push(Unreadable::new(Some(id), key, why));
                }
            }
        }
        Ok(InspectionPage { entries, unreadable, next: page.next })
    }
}

/// One page of a scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InspectionPage {
    /// The records.
    pub entries: Vec<Inspection>,
    /// What was found beside them and is not a readable record, or not an authentic one. Calls with such a
    /// key are refused with [`ErrorKind::Incompatible`] or [`ErrorKind::NotAuthentic`] until it is [purged](Idempotency::purge).
    pub unreadable: Vec<Unreadable>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<Cursor>,
}
