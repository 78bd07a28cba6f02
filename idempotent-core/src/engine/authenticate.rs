//! Sealing what an engine writes, and believing only what its fleet has written.

use super::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Record, RecordId};

impl Idempotency {
    /// A record as it is written: with its MAC, if this engine has a key for it.
    pub(super) fn seal(&self, id: &RecordId, record: &Record) -> Record {
        match self.0.authenticity.sealing_key() {
            Some(key) => record.sealed(id, key),
            None => record.clone(),
        }
    }

    /// Refuses a record that nobody with the secret wrote under this id. Nothing that a store returns
    /// is believed before this.
    pub(super) fn authenticate(&self, id: &RecordId, record: &Record) -> Result<(), Error> {
        if self.0.authenticity.is_needless(record) {
            return Ok(());
        }
        self.find_forgery(id, record)
            .map_or(Ok(()), |why| Err(Error::of(ErrorKind::NotAuthentic, id).detail(why)))
    }

    /// What is wrong with a record, if it is not authentic.
    pub(super) fn find_forgery(&self, id: &RecordId, record: &Record) -> Option<&'static str> {
        let why = self.0.authenticity.check(id, record).err()?;
        tracing::error!(record = %id, why, "a stored record is not authentic and is not believed");
        Some(why)
    }
}
