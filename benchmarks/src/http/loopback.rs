//! Turns over loopback: `wrk`, a process of its own, asks a server in this one.

use std::error::Error;
use std::io;
use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::request::{BODY, REPLAYED};
use crate::sides::{Side, sides};
use crate::{median, processor_time};

const ROUNDS: usize = 9;

/// Seconds of a turn, after as many requests as there are keys.
const SECONDS: &str = "3";

/// What a turn gave.
struct Turn {
    /// Requests a second.
    rate: f64,
    /// Microseconds of processor time that this process took for a request.
    cpu: f64,
}

pub(crate) async fn measure() -> Result<(), Box<dyn Error>> {
    let mut urls = Vec::new();
    let sides = sides()?;
    for side in &sides {
        urls.push(serve(side).await?);
    }
    for key in [false, true] {
        let mut turns: Vec<Vec<Turn>> = sides.iter().map(|_| Vec::new()).collect();
        for url in &urls {
            load(url, key).await?;
        }
        for round in 0..ROUNDS {
            for place in 0..sides.len() {
                let side = (place + round) % sides.len();
                turns[side].push(load(&urls[side], key).await?);
            }
        }
        let what = if key { "Replay" } else { "WithoutKey" };
        println!(
            "\n{what}, 64 connections, requests a second, of the bare route's, µs of processor time"
        );
        for (side, own) in sides.iter().zip(&turns) {
            let rate = median(own.iter().map(|turn| turn.rate).collect());
            let ratio = own.iter().zip(&turns[0]).map(|(own, bare)| own.rate / bare.rate).collect();
            let cpu = median(own.iter().map(|turn| turn.cpu).collect());
            println!("  {:20} {rate:>8.0}   {:.2} x   {cpu:>5.1}", side.name, median(ratio));
        }
    }
    Ok(())
}

async fn serve(side: &Side) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = side.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}/orders"))
}

async fn load(url: &str, key: bool) -> Result<Turn, Box<dyn Error>> {
    let script = std::env::temp_dir().join(format!("orders-{}.lua", std::process::id()));
    std::fs::write(&script, lua(key))?;
    let before = processor_time();
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", "64", "--duration", SECONDS, "--script"])
        .arg(&script)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("wrk, Debian's package of that name: {error}"))?;
    let after = processor_time();
    std::fs::remove_file(&script)?;
    let said = String::from_utf8(output.stdout)?;
    // It says how many answers were no success only if there were some.
    if !output.status.success() || said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let number = |before: &str, after: &str| {
        let words: Vec<_> = said.split_whitespace().collect();
        let found = words.windows(2).find_map(|pair| match (pair[0], pair[1]) {
            (word, next) if word == before => Some(next),
            (word, next) if next == after => Some(word),
            _ => None,
        });
        found.and_then(|found| found.parse::<f64>().ok()).ok_or_else(|| said.clone())
    };
    let (rate, requests) = (number("Requests/sec:", "")?, number("", "requests")?);
    Ok(Turn { rate, cpu: (after - before) / 1e3 / requests })
}

/// The requests of the other measurements, written as `wrk` wants them.
fn lua(key: bool) -> String {
    let key = if key {
        format!("('%08x-40d5-43e8-bc93-%012x'):format(n % {REPLAYED}, n % {REPLAYED})")
    } else {
        "nil".to_owned()
    };
    format!(
        "local n = 0\n\
         local body = [[{BODY}]]\n\
         function request()\n\
           n = n + 1\n\
           return wrk.format('POST', nil, {{ ['content-type'] = 'application/json', ['x-account'] = 'alice', ['idempotency-key'] = {key} }}, body)\n\
         end\n"
    )
}
