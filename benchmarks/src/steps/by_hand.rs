//! How results are encoded by hand: as the engine does it.

use serde::{Deserialize, Serialize};

use crate::receipt::Receipt;

pub(crate) fn encoded(receipt: &Receipt) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder =
        rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    receipt.serialize(&mut encoder)?;
    Ok(bytes)
}

pub(crate) fn decoded(bytes: &[u8]) -> Result<Receipt, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    Receipt::deserialize(&mut decoder)
}
