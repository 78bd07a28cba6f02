//! A server that answers what a test tells it to: for versions and refusals that no server at hand
//! gives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct FakeServer {
    address: SocketAddr,
    door: Arc<Door>,
}

#[derive(Default)]
struct Door {
    is_slammed: AtomicBool,
    entered: AtomicUsize,
}

impl FakeServer {
    /// A server whose answers, as Redis writes them, are up to `answer`.
    pub(crate) async fn start<A: Into<Vec<u8>>>(
        answer: impl Fn(&[String]) -> A + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(move |command: &[String]| answer(command).into());
        let door = Arc::new(Door::default());
        let at = door.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (answer, door) = (answer.clone(), at.clone());
                tokio::spawn(async move { serve(client, &door, &*answer).await });
            }
        });
        Self { address, door }
    }

    /// From now on every connection is closed as soon as it says something.
    pub(crate) fn slam(&self) {
        self.door.is_slammed.store(true, Ordering::SeqCst);
    }

    /// How many connections there were.
    pub(crate) fn entered(&self) -> usize {
        self.door.entered.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// A string, as Redis writes it.
    pub(crate) fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }
}

/// Ends with the connection.
async fn serve(
    client: TcpStream,
    door: &Door,
    answer: &(dyn Fn(&[String]) -> Vec<u8> + Send + Sync),
) {
    door.entered.fetch_add(1, Ordering::SeqCst);
    let mut client = BufReader::new(client);
    while let Some(command) = read(&mut client).await {
        if door.is_slammed.load(Ordering::SeqCst) {
            return;
        }
        if client.get_mut().write_all(&answer(&command)).await.is_err() {
            return;
        }
    }
}

async fn read(client: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let words = number(client).await?;
    let mut command = Vec::new();
    for _ in 0..words {
        let mut word = vec![0; number(client).await? + 2];
        client.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        command.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(command)
}

/// The number of a line such as `*3` or `$12`.
async fn number(client: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}
