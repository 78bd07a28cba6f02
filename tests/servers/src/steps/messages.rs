//! Where messages of PostgreSQL's protocol end, and the little that is read in them.

/// What makes a server send what it has, without ending anything.
pub(super) const FLUSH: &[u8] = b"H\0\0\0\x04";

/// The length of the first message of `bytes`; `None` while it is not whole. The first one that a client
/// sends has no type.
pub(super) fn whole(bytes: &[u8], typed: bool) -> Option<usize> {
    let head = usize::from(typed);
    let length = bytes.get(head..head + 4)?.try_into().ok()?;
    let length = head + usize::try_from(u32::from_be_bytes(length)).ok()?;
    // One that says that it is shorter than its own head would never be over.
    (length >= head + 4 && bytes.len() >= length).then_some(length)
}

/// What a client's message is called.
pub(super) fn name(kind: u8) -> &'static str {
    match kind {
        b'P' => "Parse",
        b'B' => "Bind",
        b'D' => "Describe",
        b'E' => "Execute",
        b'C' => "Close",
        b'S' => "Sync",
        b'Q' => "Query",
        b'H' => "Flush",
        b'X' => "Terminate",
        _ => "another",
    }
}

/// Whether the server answers a client's message of the one kind by its own of the other, after all else
/// that it has to say to it and no error.
pub(super) fn ends(asked: u8, answer: u8) -> bool {
    match asked {
        b'P' => answer == b'1',
        b'B' => answer == b'2',
        b'D' => matches!(answer, b'T' | b'n'),
        b'E' => matches!(answer, b'C' | b'I' | b's'),
        b'C' => answer == b'3',
        b'S' | b'Q' => answer == b'Z',
        _ => false,
    }
}

/// The texts of a message that each end with a zero, from its body on.
pub(super) fn texts(message: &[u8]) -> impl Iterator<Item = String> {
    let body = message.get(5..).unwrap_or_default();
    body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_when_its_last_byte_is_there() {
        let message = b"Q\0\0\0\x0aBEGIN\0";
        for cut in 0..message.len() {
            assert_eq!(whole(&message[..cut], true), None, "cut at {cut}");
        }
        assert_eq!(whole(&[&message[..], b"S"].concat(), true), Some(message.len()));
        assert_eq!(whole(&message[1..], false), Some(message.len() - 1));
        assert_eq!(whole(b"Q\0\0\0\0", true), None);
    }

    #[test]
    fn a_message_has_its_texts() {
        let parse = b"P\0\0\0\x15sqlx_s_1\0SELECT\0\0\0";
        assert_eq!(texts(parse).take(2).collect::<Vec<_>>(), ["sqlx_s_1", "SELECT"]);
    }
}
