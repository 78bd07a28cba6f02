//! The headers of texts, arrays and maps. Most are a single byte, which is written without asking for more.

use rmp::encode;
use rmp_serde::encode::Error;

/// The longest that the one-byte headers of arrays and maps carry.
const FIX_ITEMS: usize = 15;
/// The longest that the one-byte header of a text carries.
const FIX_TEXT: usize = 31;

pub(super) fn array(out: &mut Vec<u8>, length: usize) -> Result<(), Error> {
    if length <= FIX_ITEMS {
        out.push(0x90 | length as u8);
        return Ok(());
    }
    Ok(encode::write_array_len(out, count(length)?).map(drop)?)
}

pub(super) fn map(out: &mut Vec<u8>, length: usize) -> Result<(), Error> {
    if length <= FIX_ITEMS {
        out.push(0x80 | length as u8);
        return Ok(());
    }
    Ok(encode::write_map_len(out, count(length)?).map(drop)?)
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    // Names of fields are such texts.
    if text.len() <= FIX_TEXT {
        out.push(0xa0 | text.len() as u8);
    } else {
        long_text(out, text.len())?;
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

#[inline(never)]
fn long_text(out: &mut Vec<u8>, length: usize) -> Result<(), Error> {
    Ok(encode::write_str_len(out, count(length)?).map(drop)?)
}

/// An integer that is not negative. The small ones are one byte.
#[inline]
pub(super) fn unsigned(out: &mut Vec<u8>, value: u64) -> Result<(), Error> {
    if value < 128 {
        out.push(value as u8);
        return Ok(());
    }
    Ok(encode::write_uint(out, value).map(drop)?)
}

/// A length as MessagePack has it.
pub(super) fn count(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::InvalidDataModel("more than u32::MAX items"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_header_that_readers_expect() {
        for length in (0..300).chain([65_535, 65_536, 70_000]) {
            let mut out = Vec::new();
            array(&mut out, length).unwrap();
            assert_eq!(rmp::decode::read_array_len(&mut &out[..]).unwrap() as usize, length);
            let mut shortest = Vec::new();
            encode::write_array_len(&mut shortest, length as u32).unwrap();
            assert_eq!(out, shortest);
            out.clear();
            map(&mut out, length).unwrap();
            assert_eq!(rmp::decode::read_map_len(&mut &out[..]).unwrap() as usize, length);
            out.clear();
            text(&mut out, &"x".repeat(length)).unwrap();
            let mut shortest = Vec::new();
            encode::write_str(&mut shortest, &"x".repeat(length)).unwrap();
            assert_eq!(out, shortest);
            out.clear();
            unsigned(&mut out, length as u64).unwrap();
            assert_eq!(rmp::decode::read_int::<u64, _>(&mut &out[..]).unwrap() as usize, length);
        }
    }
}
