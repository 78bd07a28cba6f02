//! UUIDs: their text, and the version bits of a random one.

use std::fmt;

/// Writes 16 bytes as 32 hexadecimal digits, in the groups of a UUID.
pub(crate) fn write(bytes: &[u8; 16], f: &mut impl fmt::Write) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            f.write_char('-')?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Turns random bytes into a UUID of version 4.
#[cfg(any(feature = "postgres", feature = "reqwest"))]
pub(crate) const fn of_version_4(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}
