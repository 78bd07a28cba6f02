//! A checkout of several effects whose process kills itself after every step, and again between each effect and its
//! record. A new process resumes it each time: no step that is recorded runs again.
//!
//! Run it with `cargo run -p examples-stores --bin checkout_steps`. It needs no server and no setup.

use std::error::Error as StdError;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use idempotent_core::backends::SqliteStore;
use idempotent_core::{Error, Idempotency, current, idempotent};

type Failure = Box<dyn StdError + Send + Sync>;

/// The steps of the checkout, in their order.
const STEPS: [&str; 5] = ["hold", "charge", "ship 1", "ship 2", "notify"];

#[idempotent(key = "order:{order}", name = "shop.checkout", lease = "600ms", wait = "10s")]
async fn checkout(order: u32, life: &Life) -> Result<String, Error> {
    let hold = hold(life).await?;
    let payment = charge(&hold, life).await?;
    for line in 1..=2 {
        ship(line, life).await?;
    }
    notify(life).await?;
    Ok(format!("order {order}: {hold}, {payment}"))
}

#[idempotent(step)]
async fn hold(life: &Life) -> Result<String, Error> {
    life.effect("hold");
    Ok(format!("held in life {}", life.number))
}

#[idempotent(step, fingerprint = hold)]
async fn charge(hold: &str, life: &Life) -> Result<String, Error> {
    let _ = hold;
    life.effect("charge");
    Ok(format!("charged in life {}", life.number))
}

#[idempotent(step, key = line)]
async fn ship(line: u32, life: &Life) -> Result<(), Error> {
    life.effect(&format!("ship {line}"));
    Ok(())
}

#[idempotent(step)]
async fn notify(life: &Life) -> Result<(), Error> {
    life.effect("notify");
    Ok(())
}

/// One life of the process.
struct Life {
    number: usize,
    /// The effect in which it dies, before that is recorded.
    dies_in: String,
    /// Or the one before which it dies: all earlier ones are recorded.
    dies_before: String,
}

impl Life {
    /// The effect is the line that it prints, with the key that a provider would get.
    fn effect(&self, what: &str) {
        if what == self.dies_before {
            kill_itself();
        }
        let key = current().map(|step| step.derive("provider").to_string()).unwrap_or_default();
        println!("effect {what} {key}");
        if what == self.dies_in {
            kill_itself();
        }
    }
}

/// Nothing is dropped and nothing is said to the store.
fn kill_itself() {
    std::process::abort();
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [file, number, dies_in, dies_before] = &arguments[..] {
        let (dies_in, dies_before) = (dies_in.clone(), dies_before.clone());
        let life = Life { number: number.parse()?, dies_in, dies_before };
        idempotent_core::install(Idempotency::new(SqliteStore::connect(file).await?))?;
        println!("answer {}", checkout(7, &life).await?);
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("checkout_steps-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = lives(&folder.join("calls.db"));
    std::fs::remove_dir_all(&folder)?;
    told
}

/// One call, and as many lives as it takes.
fn lives(file: &Path) -> Result<(), Failure> {
    let mut number = 0;
    let mut keys = Vec::new();
    for (place, step) in STEPS.into_iter().enumerate() {
        number += 1;
        println!("life {number} dies before `{step}`: what came before is recorded");
        let before = live(file, number, ["", step])?;
        let fresh = if place == 0 { vec![] } else { vec![STEPS[place - 1]] };
        assert_eq!(before.names(), fresh, "it repeats only what was not recorded");
        number += 1;
        println!("life {number} dies in `{step}`, before that is recorded");
        let within = live(file, number, [step, ""])?;
        assert_eq!(within.names(), [step], "no recorded step runs again");
        keys.extend(before.effects);
        keys.extend(within.effects);
    }
    number += 1;
    println!("life {number} lives");
    let last = live(file, number, ["", ""])?;
    assert_eq!(last.names(), [STEPS[4]]);
    println!("\n  {}", last.answer);
    keys.extend(last.effects);
    keys.sort();
    assert_eq!(keys.len(), 2 * STEPS.len(), "each effect that was interrupted happened again");
    keys.dedup();
    assert_eq!(keys.len(), STEPS.len(), "with the same key, so that a provider sees it once");
    println!("\nOne checkout in {number} lives: {} effects, each with one key.", STEPS.len());
    Ok(())
}

/// What a life said.
#[derive(Default)]
struct Said {
    /// Effects and their keys.
    effects: Vec<(String, String)>,
    answer: String,
}

impl Said {
    fn names(&self) -> Vec<&str> {
        self.effects.iter().map(|(name, _)| &**name).collect()
    }
}

/// Starts this program again, and reads what it says until it dies.
fn live(file: &Path, number: usize, [dies_in, dies_before]: [&str; 2]) -> Result<Said, Failure> {
    let number = number.to_string();
    let mut process = Command::new(std::env::current_exe()?)
        .args([file.as_os_str(), number.as_ref(), dies_in.as_ref(), dies_before.as_ref()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = Said::default();
    let out = process.stdout.take().ok_or("a process has an output")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        if let Some((name, key)) = line.strip_prefix("effect ").and_then(|it| it.rsplit_once(' ')) {
            println!("  {name:8} {key}");
            said.effects.push((name.to_owned(), key.to_owned()));
        } else if let Some(answer) = line.strip_prefix("answer ") {
            answer.clone_into(&mut said.answer);
        }
    }
    process.wait()?;
    Ok(said)
}
