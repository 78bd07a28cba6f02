//! Requests as bytes on a socket, and what comes back: a client that hides nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request in the making. Header lines go out as they are given.
#[derive(Clone)]
pub(crate) struct Wire {
    method: String,
    target: String,
    lines: Vec<Vec<u8>>,
    body: Vec<u8>,
}

/// What came back, header lines in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn post(target: &str) -> Wire {
    method("POST", target)
}

pub(crate) fn get(target: &str) -> Wire {
    method("GET", target)
}

pub(crate) fn method(method: &str, target: &str) -> Wire {
    Wire { method: method.into(), target: target.into(), lines: Vec::new(), body: Vec::new() }
}

impl Wire {
    /// One header line, without its end.
    pub(crate) fn line(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    /// The key, as an RFC 8941 String.
    pub(crate) fn key(self, key: &str) -> Self {
        self.line(format!("Idempotency-Key: \"{key}\""))
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.line(format!("Content-Type: {content_type}"))
    }

    /// A body whose type is given as a line, or not at all.
    pub(crate) fn body_alone(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.body("application/json", body)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        bytes.extend_from_slice(b"Host: shop.example\r\nConnection: close\r\n");
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        for line in &self.lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads everything that comes back.
    pub(crate) async fn send(&self, to: SocketAddr) -> Reply {
        self.try_send(to).await.unwrap()
    }

    /// `None` if the server closed the connection without an answer.
    pub(crate) async fn try_send(&self, to: SocketAddr) -> Option<Reply> {
        let mut socket = self.open(to).await;
        let mut answer = Vec::new();
        // A server that gives up resets the connection, which is as good as closing it.
        let _ = socket.read_to_end(&mut answer).await;
        (!answer.is_empty()).then(|| Reply::parse(&answer))
    }

    /// Sends it and leaves the answer in the socket.
    pub(crate) async fn open(&self, to: SocketAddr) -> TcpStream {
        let mut socket = TcpStream::connect(to).await.unwrap();
        socket.write_all(&self.bytes()).await.unwrap();
        socket
    }
}

impl Reply {
    pub(crate) fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut head = head.split("\r\n");
        let status = head.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let lines: Vec<_> = head
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Self { status, lines, body: answer[end + 4..].to_vec() };
        if reply.get("transfer-encoding") == Some("chunked") {
            reply.body = unchunk(&reply.body);
        }
        reply
    }

    /// The first line of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|(other, _)| other == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.get("idempotency-replayed") == Some("true")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of a problem, if this is one that is well-formed.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.get("content-type") != Some("application/problem+json") {
            return None;
        }
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let code = problem["code"].as_str().unwrap();
        assert!(problem["type"].as_str().unwrap().ends_with(code), "{problem}");
        assert_eq!(problem["retryable"].as_bool().unwrap(), self.get("retry-after").is_some());
        Some(code.to_owned())
    }

    /// All but what differs between a first answer and its replay.
    pub(crate) fn without_marks(mut self) -> Self {
        self.lines.retain(|(name, _)| !["date", "idempotency-replayed"].contains(&name.as_str()));
        self
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") else { return body };
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return body;
        }
        let size = size.min(rest.len());
        body.extend_from_slice(&rest[..size]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}
