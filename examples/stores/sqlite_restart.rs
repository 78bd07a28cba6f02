//! A worker that keeps its records in a file is killed half way with `kill -9` and started again on the
//! same file: twice, once under each guarantee.
//!
//! Run it with `cargo run -p examples-stores --bin sqlite_restart`. It needs no server and no setup.

use std::error::Error as StdError;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use idempotent_core::backends::SqliteStore;
use idempotent_core::engine::Resolution;
use idempotent_core::store::Scan;
use idempotent_core::{Error, Idempotency, idempotent};

type Failure = Box<dyn StdError + Send + Sync>;

/// Ships a parcel. Twice is a nuisance, never is worse: a crash half way runs it again.
#[idempotent(key = "order:{order}", name = "shop::ship", lease = "1s", wait = "10s")]
async fn ship(order: u32, life: &Life) -> Result<String, Error> {
    life.effect("ship", order).await;
    Ok(format!("shipped in life {}", life.number))
}

/// Pays money out. Twice is worse than not knowing: a crash half way is for somebody to look at.
#[idempotent(
    key = "order:{order}",
    name = "shop::pay",
    lease = "1s",
    wait = "10s",
    guarantee = at_most_once
)]
async fn pay(order: u32, life: &Life) -> Result<String, Error> {
    life.effect("pay", order).await;
    Ok(format!("paid in life {}", life.number))
}

/// One life of the worker's process.
struct Life {
    number: u32,
    /// The effect after which nothing comes any more.
    ends_at: String,
}

impl Life {
    /// The effect is the line that it prints: who reads it knows of it, whatever happens next.
    async fn effect(&self, what: &str, order: u32) {
        println!("effect {what} {order}");
        if self.ends_at == format!("{what} {order}") {
            std::future::pending::<()>().await;
        }
    }

    /// The day's work, from the beginning in every life.
    async fn work(&self, file: &Path) -> Result<(), Failure> {
        idempotent_core::install(Idempotency::new(SqliteStore::connect(file).await?))?;
        say("ship 1", &ship(1, self).await);
        say("ship 2", &ship(2, self).await);
        say("pay 3", &pay(3, self).await);
        say("ship 4", &ship(4, self).await);
        Ok(())
    }
}

fn say(what: &str, answer: &Result<String, Error>) {
    match answer {
        Ok(done) => println!("answer {what}: {done}"),
        Err(error) => println!("answer {what}: {}", error.code()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [file, number, ends_at] = &arguments[..] {
        let life = Life { number: number.parse()?, ends_at: ends_at.clone() };
        return life.work(Path::new(file)).await;
    }
    let folder = std::env::temp_dir().join(format!("sqlite_restart-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = days(&folder.join("calls.db")).await;
    std::fs::remove_dir_all(&folder)?;
    told
}

/// The worker's lives, one after another, on one file.
async fn days(file: &Path) -> Result<(), Failure> {
    println!("The first life is killed after the effect of `ship 2`, before that is recorded.");
    let first = live(file, 1, "ship 2")?;
    assert_eq!(first.effects, ["ship 1", "ship 2"]);
    assert_eq!(first.answers, ["ship 1: shipped in life 1"]);

    println!(
        "\nThe second replays what was recorded, runs `ship 2` again, and is killed in `pay 3`."
    );
    let second = live(file, 2, "pay 3")?;
    assert_eq!(second.effects, ["ship 2", "pay 3"]);
    assert_eq!(second.answers, ["ship 1: shipped in life 1", "ship 2: shipped in life 2"]);

    println!("\nThe third does not run `pay 3` again: nobody knows whether the money is gone.");
    let third = live(file, 3, "")?;
    assert_eq!(third.effects, ["ship 4"]);
    assert_eq!(third.answers[2..], ["pay 3: indeterminate", "ship 4: shipped in life 3"]);

    println!(
        "\nSomebody looks, sees that it is, and says so. The fourth life has nothing left to do."
    );
    resolve(file).await?;
    let fourth = live(file, 4, "")?;
    assert!(fourth.effects.is_empty());
    let answers = [
        "ship 1: shipped in life 1",
        "ship 2: shipped in life 2",
        "pay 3: paid, says the bank",
        "ship 4: shipped in life 3",
    ];
    assert_eq!(fourth.answers, answers);
    println!("\nAll as promised.");
    Ok(())
}

/// The operator's side, from any process.
async fn resolve(file: &Path) -> Result<(), Failure> {
    let engine = Idempotency::new(SqliteStore::connect(file).await?);
    for doubt in engine.scan(&Scan::unfinished()).await?.entries {
        println!(
            "  {} of {} is {:?}",
            doubt.operation(),
            doubt.key().unwrap_or("?"),
            doubt.state()
        );
        engine.resolve(&doubt, Resolution::completed("paid, says the bank")).await?;
    }
    Ok(())
}

/// What a life said.
#[derive(Default)]
struct Said {
    effects: Vec<String>,
    answers: Vec<String>,
}

/// Starts the worker, which is this program, and kills it once it has had the effect `ends_at`.
fn live(file: &Path, number: u32, ends_at: &str) -> Result<Said, Failure> {
    let mut worker = Command::new(std::env::current_exe()?)
        .args([file.as_os_str(), number.to_string().as_ref(), ends_at.as_ref()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = Said::default();
    let out = worker.stdout.take().ok_or("a worker has an output")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        println!("  {line}");
        if let Some(effect) = line.strip_prefix("effect ") {
            said.effects.push(effect.to_owned());
            if effect == ends_at {
                worker.kill()?;
            }
        } else if let Some(answer) = line.strip_prefix("answer ") {
            said.answers.push(answer.to_owned());
        }
    }
    let ended = worker.wait()?;
    assert_eq!(ended.success(), ends_at.is_empty(), "a worker ends when it is killed, or is done");
    Ok(said)
}
