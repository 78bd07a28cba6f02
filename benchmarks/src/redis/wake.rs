//! How soon a waiter in another process has a result.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idempotent_core::backends::RedisStore;
use idempotent_core::{Idempotency, Operation};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const CHARGE: Operation = Operation::new("shop::wake").wait(Duration::from_secs(20));
const ORDERS: u64 = 400;

/// The other process: for each order on its standard input it waits for that order's result, and
/// writes when it had it.
pub(crate) async fn wait_for_orders(url: &str) -> Result<(), Box<dyn Error>> {
    let engine = Idempotency::new(RedisStore::connect(url).await?);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        let call =
            CHARGE.key(&order).engine(&engine).returning::<Result<u64, idempotent_core::Error>>();
        call.run(|| async { Ok(0) }).await?;
        println!("{}", now());
    }
    Ok(())
}

/// Runs orders here whose result the other process waits for.
pub(crate) async fn measure(url: &str) -> Result<(), Box<dyn Error>> {
    let (child, mut orders, mut answers) = start(url)?;
    let engine = Idempotency::new(RedisStore::connect(url).await?);
    let mut delays = Vec::new();
    for order in 0..ORDERS {
        let order = order.to_string();
        let call =
            CHARGE.key(&order).engine(&engine).returning::<Result<u64, idempotent_core::Error>>();
        let ended = call.run(|| async {
            orders.write_all(format!("{order}\n").as_bytes()).await.expect("it listens");
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(now())
        });
        let ended = ended.await?;
        let answered: u64 = answers.next_line().await?.ok_or("it ended")?.parse()?;
        delays.push(answered.saturating_sub(ended) as f64 / 1e6);
    }
    drop(orders);
    child.wait_with_output().await?;
    delays.sort_by(f64::total_cmp);
    let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
    println!(
        "A waiter in another process has the result after {:.2} ms (median), {:.2} ms (p99), {:.2} ms (longest)",
        at(50),
        at(99),
        at(100),
    );
    Ok(())
}

type Other = (Child, ChildStdin, Lines<BufReader<ChildStdout>>);

fn start(url: &str) -> Result<Other, Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["wait", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let orders = child.stdin.take().ok_or("no standard input")?;
    let answers = child.stdout.take().ok_or("no standard output")?;
    Ok((child, orders, BufReader::new(answers).lines()))
}

/// Nanoseconds since 1970, which both processes read off the same clock.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
