//! The little of PostgreSQL's protocol that the harness speaks itself: one text, its rows.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) type Row = Vec<Option<String>>;

const CONNECT: Duration = Duration::from_secs(2);

/// Runs statements on a connection of their own, and gives all their rows. No statement only asks
/// whether the server lets us in.
pub(crate) fn query(
    address: SocketAddr,
    patience: Duration,
    statements: &str,
) -> io::Result<Vec<Row>> {
    let stream = TcpStream::connect_timeout(&address, patience.min(CONNECT))?;
    stream.set_read_timeout(Some(patience))?;
    let mut stream = BufReader::new(stream);
    let parameters = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    send(stream.get_mut(), None, parameters)?;
    answer(&mut stream)?;
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let mut text = statements.as_bytes().to_vec();
    text.push(0);
    send(stream.get_mut(), Some(b'Q'), &text)?;
    answer(&mut stream)
}

fn send(stream: &mut TcpStream, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend(length.to_be_bytes());
    message.extend(body);
    stream.write_all(&message)
}

// Reads until the server is ready for another query. The first error is what counts.
fn answer(stream: &mut impl Read) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut error = None;
    loop {
        let mut head = [0; 5];
        if let Err(end) = stream.read_exact(&mut head) {
            // A server that refuses us says so, and hangs up.
            return Err(error.unwrap_or(end));
        }
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body)?;
        match kind {
            b'D' => rows.push(row(&body).ok_or(io::ErrorKind::InvalidData)?),
            b'E' if error.is_none() => error = Some(refusal(&body)),
            b'Z' => return error.map_or(Ok(rows), Err),
            _ => {}
        }
    }
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        // A negative length is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            row.push(None);
            continue;
        };
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
    }
    Some(row)
}

// `SQLSTATE message`, out of the fields of an error.
fn refusal(body: &[u8]) -> io::Error {
    let field = |name: u8| {
        let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&name));
        String::from_utf8_lossy(field.map_or(&[], |field| &field[1..])).into_owned()
    };
    io::Error::other(format!("{} {}", field(b'C'), field(b'M')))
}
