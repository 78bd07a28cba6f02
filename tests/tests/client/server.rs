//! A server that does as it is told, request by request, and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does about one connection. It closes each one afterwards.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Closes the connection without having read anything.
    HangUp,
    /// Reads the request and closes the connection.
    Close,
    /// Reads the request and says nothing more.
    Stall,
    /// Reads the request and sends these bytes.
    Send(String),
}

/// An answer without headers of its own or a body.
pub(crate) fn status(status: u16) -> Step {
    answer(status, &[], "")
}

/// An answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    let mut text = format!("HTTP/1.1 {status} Any\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    Step::Send(format!("{text}content-length: {}\r\n\r\n{body}", body.len()))
}

/// A problem (RFC 9457).
pub(crate) fn problem(status: u16, body: &str) -> Step {
    answer(status, &[("content-type", "application/problem+json")], body)
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    /// The values of a header, however often it is there.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn key(&self) -> String {
        let keys = self.all("idempotency-key");
        assert_eq!(keys.len(), 1, "{self:?}");
        keys[0].to_owned()
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Follows a script, one step a connection; its last step is for all that come after.
    pub(crate) async fn script(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        Self::asking(move |at, _| steps[at.min(steps.len() - 1)].clone()).await
    }

    /// Asks what to do about each connection: which one it is, from 0, and what it sent. It is asked
    /// without a request first, and if it then does not hang up, with it.
    pub(crate) async fn asking(
        act: impl Fn(usize, Option<&Received>) -> Step + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let (kept, count) = (Arc::clone(&received), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut stalled = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let at = *count.lock().unwrap();
                *count.lock().unwrap() += 1;
                if let Step::HangUp = act(at, None) {
                    continue;
                }
                let Some(request) = read(&mut stream).await else { continue };
                kept.lock().unwrap().push(request.clone());
                match act(at, Some(&request)) {
                    Step::Send(text) => {
                        stream.write_all(text.as_bytes()).await.unwrap();
                        stream.shutdown().await.unwrap_or_default();
                    }
                    Step::Stall => stalled.push(stream),
                    Step::Close | Step::HangUp => {}
                }
            }
        });
        Self { address, received, connections, task }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The key of each request.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.received().iter().map(Received::key).collect()
    }

    /// How many connections there were, those among them that it hung up on.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { method, target, headers, body: String::from_utf8(body).unwrap() })
}
