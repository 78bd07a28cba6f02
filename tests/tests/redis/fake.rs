//! A server that answers what a test tells it to: for versions and refusals that no server at hand
//! gives.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Fake(SocketAddr);

impl Fake {
    /// A server whose answers, as Redis writes them, are up to `answer`.
    pub(crate) async fn start(
        answer: impl Fn(&[String]) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move { serve(client, &*answer).await });
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.0)
    }

    /// A string, as Redis writes it.
    pub(crate) fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }
}

/// Ends with the connection.
async fn serve(client: TcpStream, answer: &(dyn Fn(&[String]) -> String + Send + Sync)) {
    let mut client = BufReader::new(client);
    while let Some(command) = read(&mut client).await {
        if client.get_mut().write_all(answer(&command).as_bytes()).await.is_err() {
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
