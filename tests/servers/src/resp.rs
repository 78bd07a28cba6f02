//! The little of the Redis protocol that the harness speaks itself: one call, one answer.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// What a Redis server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A status or a value; bytes that are not UTF-8 are replaced.
    Text(String),
    /// Several answers in one.
    Array(Vec<Reply>),
    /// A refusal, with its code: `ERR no such command`.
    Error(String),
}

impl Reply {
    /// The text of a status or a value.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Reply::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the server refused.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }
}

/// As `redis-cli` prints it into a pipe: nil is an empty line, an array a line each.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Nil => Ok(()),
            Reply::Int(number) => write!(f, "{number}"),
            Reply::Text(text) | Reply::Error(text) => f.write_str(text),
            Reply::Array(replies) => {
                for (index, reply) in replies.iter().enumerate() {
                    let line = if index == 0 { "" } else { "\n" };
                    write!(f, "{line}{reply}")?;
                }
                Ok(())
            }
        }
    }
}

/// A connection that sends one command and waits for its answer.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Connection {
        Connection(BufReader::new(stream))
    }

    pub(crate) fn call<A: AsRef<str>>(&mut self, command: &[A]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", command.len());
        for word in command {
            let word = word.as_ref();
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let Some(kind) = line.chars().next() else { return Err(unexpected(line)) };
        let rest = &line[kind.len_utf8()..];
        match kind {
            '+' => Ok(Reply::Text(rest.into())),
            '-' => Ok(Reply::Error(rest.into())),
            ':' => rest.parse().map(Reply::Int).map_err(|_| unexpected(line)),
            '$' => self.bulk(rest),
            '*' => {
                let length: i64 = rest.parse().map_err(|_| unexpected(line))?;
                if length < 0 {
                    return Ok(Reply::Nil);
                }
                (0..length).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::Array)
            }
            _ => Err(unexpected(line)),
        }
    }

    fn bulk(&mut self, length: &str) -> io::Result<Reply> {
        let length: i64 = length.parse().map_err(|_| unexpected(length))?;
        let Ok(length) = usize::try_from(length) else { return Ok(Reply::Nil) };
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn unexpected(line: &str) -> io::Error {
    io::Error::other(format!("not an answer of Redis: {line:?}"))
}
