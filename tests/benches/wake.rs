//! How long after a call's completion a waiter in another process wakes: `cargo bench --bench wake`.
//!
//! This process waits, and a second one of the same program owns the calls. What is measured begins
//! when the owner has the store's answer to its completion, and ends when the waiter's wait returns,
//! or when it has the result.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};

use idempotent_core::Store;
use idempotent_core::backends::RedisStore;
use idempotent_core::model::{Envelope, RecordId, Token};
use idempotent_core::store::{Complete, Reserve, ReserveOutcome, Wait};
use idempotent_servers::Redis;

const CALLS: usize = 1000;
const CALL_TAKES: Duration = Duration::from_millis(20);

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    if let Ok(url) = std::env::var("WAKE_BENCH_OWNER_OF") {
        return own(&url).await;
    }
    let redis = Redis::start().await;
    let store = RedisStore::connect(redis.url()).await?;
    let mut owner = Command::new(std::env::current_exe()?)
        .env("WAKE_BENCH_OWNER_OF", redis.url())
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = measure(&store, &mut owner).await;
    owner.kill()?;
    owner.wait()?;
    let (woken, replayed) = measured?;
    print("woken", woken);
    print("has the result", replayed);
    Ok(())
}

/// The other process: runs the calls, and says what it does.
async fn own(url: &str) -> Fallible<()> {
    let store = RedisStore::connect(url).await?;
    let mut out = std::io::stdout();
    for call in 0..CALLS {
        let id = id(call)?;
        let request = Reserve::new(&id, Envelope::new("bench"));
        store.reserve(&request).await?;
        writeln!(out, "{}", u128::from_be_bytes(*request.token().as_bytes()))?;
        out.flush()?;
        tokio::time::sleep(CALL_TAKES).await;
        let record = request.record().completed(b"result");
        let minute = Duration::from_secs(60);
        store.complete(&Complete::new(&id, request.record(), &record, minute)).await?;
        writeln!(out, "{}", nanos_now()?)?;
        out.flush()?;
    }
    Ok(())
}

async fn measure(store: &RedisStore, owner: &mut Child) -> Fallible<(Vec<u128>, Vec<u128>)> {
    let out = owner.stdout.take().ok_or("the owner says nothing")?;
    let mut said = BufReader::new(out);
    let (mut woken, mut replayed) = (Vec::new(), Vec::new());
    for call in 0..CALLS {
        let id = id(call)?;
        let token = Token::from_bytes(next(&mut said)?.to_be_bytes());
        store.wait(&Wait::new(&id, token, Duration::from_secs(10))).await?;
        let woke = nanos_now()?;
        let outcome = store.reserve(&Reserve::new(&id, Envelope::new("bench"))).await?;
        if !matches!(outcome, ReserveOutcome::Taken(_)) {
            return Err("the call should have ended".into());
        }
        let has_it = nanos_now()?;
        let completed = next(&mut said)?;
        woken.push(woke.saturating_sub(completed));
        replayed.push(has_it.saturating_sub(completed));
    }
    Ok((woken, replayed))
}

fn id(call: usize) -> Fallible<RecordId> {
    Ok(RecordId::of("bench", None, &call)?)
}

fn next(said: &mut BufReader<ChildStdout>) -> Fallible<u128> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    Ok(line.trim().parse()?)
}

fn nanos_now() -> Fallible<u128> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos())
}

fn print(what: &str, mut nanos: Vec<u128>) {
    nanos.sort_unstable();
    let at = |percent: usize| nanos[(nanos.len() * percent / 100).min(nanos.len() - 1)] / 1000;
    println!(
        "{what:>16}: p50 {} µs, p90 {} µs, p99 {} µs, max {} µs of {CALLS}",
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
