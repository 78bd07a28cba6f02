//! A client that retries a payment through a flaky server, attempt by attempt.
//!
//! Run it with `cargo run -p examples-http --bin retrying_client`. It starts a server of its own that
//! loses connections and answers with errors, even after it took the money, and prints what happens on
//! both sides. Each payment is taken once.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use idempotent_core::client::{IdempotentRetry, RetryInfo};
use idempotent_core::idempotent;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The middleware tells of each retry: which attempt, why, and how long it pauses.
    tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false).init();
    let bank = flaky_bank::start().await?;
    let retrying = IdempotentRetry::new()
        .label("bank")
        .max_attempts(10)
        .attempt_timeout(Duration::from_millis(300))
        .total_timeout(Duration::from_secs(30));
    let client = ClientBuilder::new(reqwest::Client::new()).with(retrying).build();

    println!("\nA payment. The client makes a key and keeps it until it has an answer.");
    println!("=> {}", pay(&client, &bank.url, "shoes").await?);

    println!(
        "\nAn order that crashes after it paid, and is run again. Its key is derived from the"
    );
    println!("order, so the bank knows the second payment for the first one.");
    let crashed = order(7, &client, &bank.url, true).await;
    println!("=> {}", crashed.err().map_or_else(String::new, |error| error.to_string()));
    println!("=> {}", order(7, &client, &bank.url, false).await?);

    println!("\nThe bank took money for: {}", bank.taken().join(", "));
    assert_eq!(bank.taken(), ["shoes", "order 7"]);
    Ok(())
}

async fn pay(client: &ClientWithMiddleware, url: &str, what: &str) -> Result<String, OrderError> {
    let answer = client.post(url).body(what.to_owned()).send().await?;
    let attempts = RetryInfo::of(&answer).map_or(1, RetryInfo::attempts);
    let status = answer.status();
    Ok(format!("{status} after {attempts} attempts: {}", answer.text().await?))
}

/// A body that fails releases its key here, so the order may be run again.
#[idempotent(key = number, name = "shop::order")]
async fn order(
    number: u32,
    client: &ClientWithMiddleware,
    bank: &str,
    crashes: bool,
) -> Result<String, OrderError> {
    let receipt = pay(client, bank, &format!("order {number}")).await?;
    if crashes { Err(OrderError::Crashed) } else { Ok(receipt) }
}

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("it crashed after it paid")]
    Crashed,
    #[error(transparent)]
    Bank(#[from] reqwest_middleware::Error),
    #[error(transparent)]
    Answer(#[from] reqwest::Error),
    #[error(transparent)]
    Idempotency(#[from] idempotent_core::Error),
}

/// A bank that takes money once per key, behind a network that fails in every way in turn.
mod flaky_bank {
    use super::{Duration, HashMap};
    use std::sync::{Arc, Mutex, PoisonError};

    use tokio::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    /// What goes wrong with one connection after another.
    const FAULTS: [Fault; 8] = [
        Fault::HangsUp,
        Fault::Busy,
        Fault::LosesTheAnswer,
        Fault::None,
        Fault::TakesForEver,
        Fault::None,
        Fault::LosesTheAnswer,
        Fault::None,
    ];

    #[derive(Clone, Copy)]
    enum Fault {
        HangsUp,
        Busy,
        LosesTheAnswer,
        TakesForEver,
        None,
    }

    /// The receipts by key, and what was paid for.
    #[derive(Default)]
    struct Books {
        receipts: HashMap<String, String>,
        taken: Vec<String>,
    }

    pub(crate) struct Bank {
        pub(crate) url: String,
        books: Arc<Mutex<Books>>,
    }

    impl Bank {
        pub(crate) fn taken(&self) -> Vec<String> {
            self.books.lock().unwrap_or_else(PoisonError::into_inner).taken.clone()
        }
    }

    pub(crate) async fn start() -> io::Result<Bank> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/payments", listener.local_addr()?);
        let books = Arc::<Mutex<Books>>::default();
        let kept = Arc::clone(&books);
        tokio::spawn(async move {
            for fault in FAULTS.into_iter().cycle() {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, fault, Arc::clone(&kept)));
                }
            }
        });
        Ok(Bank { url, books })
    }

    async fn serve(stream: TcpStream, fault: Fault, books: Arc<Mutex<Books>>) -> io::Result<()> {
        if let Fault::HangsUp = fault {
            println!("   bank: hangs up on somebody");
            return Ok(());
        }
        let mut stream = BufReader::new(stream);
        let (key, what) = read(&mut stream).await?;
        let shown = key.get(1..9).unwrap_or(&key);
        if let Fault::Busy = fault {
            println!("   bank: key {shown}…, too busy");
            let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
            return stream.write_all(busy.as_bytes()).await;
        }
        let receipt = take(&books, shown, &key, &what);
        match fault {
            Fault::LosesTheAnswer => println!("   bank: … and the answer gets lost"),
            Fault::TakesForEver => {
                println!("   bank: … and takes its time with the answer");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            _ => {
                let length = receipt.len();
                let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {length}\r\n");
                let answer = format!("{head}connection: close\r\n\r\n{receipt}");
                stream.write_all(answer.as_bytes()).await?;
            }
        }
        Ok(())
    }

    /// Takes the money, or finds that it was taken.
    fn take(books: &Mutex<Books>, shown: &str, key: &str, what: &str) -> String {
        let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receipt) = books.receipts.get(key) {
            println!("   bank: key {shown}…, was paid before");
            return receipt.clone();
        }
        println!("   bank: key {shown}…, takes the money for {what}");
        books.taken.push(what.to_owned());
        let receipt = format!("receipt {} for {what}", books.taken.len());
        books.receipts.insert(key.to_owned(), receipt.clone());
        receipt
    }

    /// The key and the body of a request.
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<(String, String)> {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_lowercase().as_str() {
                "idempotency-key" => key = value.to_owned(),
                "content-length" => length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok((key, String::from_utf8_lossy(&body).into_owned()))
    }
}
