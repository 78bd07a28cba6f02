//! Where requests and answers of Redis' protocol end, and what they are called.

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// A whole frame of that many bytes.
    Whole(usize),
    /// A frame whose end has not come yet.
    Partial,
    /// Another protocol.
    Foreign,
}

/// The first frame of `bytes`, which are not empty.
pub(super) fn first(bytes: &[u8]) -> Frame {
    let mut at = 0;
    // How many frames are still to come until the outermost one ends.
    let mut open: u64 = 1;
    while open > 0 {
        let Some(&kind) = bytes.get(at) else { return Frame::Partial };
        if !b"+-:_#,($!=*~%|>".contains(&kind) {
            return Frame::Foreign;
        }
        let Some(end) = line_end(&bytes[at..]) else { return Frame::Partial };
        let line = &bytes[at + 1..at + end];
        at += end + 2;
        open -= 1;
        match kind {
            b'$' | b'!' | b'=' | b'*' | b'~' | b'%' | b'|' | b'>' => {
                let Some(count) = number(line) else { return Frame::Foreign };
                let Ok(count) = u64::try_from(count) else { continue };
                match kind {
                    b'$' | b'!' | b'=' => {
                        let Ok(length) = usize::try_from(count) else { return Frame::Foreign };
                        at = at.saturating_add(length).saturating_add(2);
                    }
                    b'%' => open = open.saturating_add(count.saturating_mul(2)),
                    // Attributes stand before the frame that they are about.
                    b'|' => open = open.saturating_add(count.saturating_mul(2)).saturating_add(1),
                    _ => open = open.saturating_add(count),
                }
            }
            _ => {}
        }
    }
    if at <= bytes.len() { Frame::Whole(at) } else { Frame::Partial }
}

/// The name of the command in a request's frame, in capitals.
pub(super) fn command(frame: &[u8]) -> Option<String> {
    let header = line_end(frame)? + 2;
    let length = line_end(&frame[header..])?;
    let start = header + length + 2;
    let name = &frame[start..start + line_end(&frame[start..])?];
    Some(String::from_utf8_lossy(name).to_ascii_uppercase())
}

/// Whether an answer's frame is one that nobody asked for: a message to a subscriber.
pub(super) fn is_push(frame: &[u8]) -> bool {
    frame.first() == Some(&b'>')
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Frame, command, first};

    #[test]
    fn a_frame_ends_where_its_last_part_ends() {
        for frame in [
            "+OK\r\n",
            "$-1\r\n",
            "$3\r\na\r\n\r\n",
            "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
            "*2\r\n*1\r\n:1\r\n*0\r\n",
            "%1\r\n+a\r\n:1\r\n",
            ">2\r\n+invalidate\r\n_\r\n",
            "|1\r\n+ttl\r\n:1\r\n$1\r\nv\r\n",
        ] {
            let two = format!("{frame}{frame}");
            assert_eq!(first(two.as_bytes()), Frame::Whole(frame.len()), "{frame:?}");
            for cut in 0..frame.len() {
                assert_eq!(
                    first(&frame.as_bytes()[..cut]),
                    Frame::Partial,
                    "{frame:?} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn another_protocol_is_told_apart() {
        assert_eq!(first(b"GET / HTTP/1.1\r\n"), Frame::Foreign);
        assert_eq!(first(b"\x16\x03\x01"), Frame::Foreign);
        assert_eq!(first(b"*x\r\n"), Frame::Foreign);
    }

    #[test]
    fn a_request_has_its_commands_name() {
        let request = b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n";
        assert_eq!(command(request).as_deref(), Some("GET"));
    }
}
