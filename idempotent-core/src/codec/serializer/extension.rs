//! MessagePack's extension types, which rmp-serde presents as a newtype struct over a tag and bytes.

use rmp::{decode, encode};
use rmp_serde::encode::Error;

/// Turns the pair of a tag and bytes at the end of the buffer into an extension value.
pub(super) fn rewrite(out: &mut Vec<u8>, start: usize) -> Result<(), Error> {
    let (tag, length) =
        pair(&out[start..]).ok_or(Error::InvalidDataModel("expected i8 and bytes"))?;
    let data = out.len() - length;
    let mut header = Vec::with_capacity(6);
    encode::write_ext_meta(&mut header, length as u32, tag)?;
    out.splice(start..data, header);
    Ok(())
}

/// The tag, and the length of the bytes behind it.
fn pair(mut input: &[u8]) -> Option<(i8, usize)> {
    if decode::read_array_len(&mut input).ok()? != 2 {
        return None;
    }
    let tag = decode::read_int(&mut input).ok()?;
    let length = decode::read_bin_len(&mut input).ok()? as usize;
    (input.len() == length).then_some((tag, length))
}
