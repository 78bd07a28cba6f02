//! Three workers on one file finish orders whose processes died, without anybody's retry. One of the workers is killed
//! half way, and the others finish what it had begun. One order kills every worker that runs it: it is parked, and is
//! finished once somebody has mended its cause and says so.
//!
//! Run it with `cargo run -p examples-stores --bin recovery`. It needs no server and no setup.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use idempotent_core::backends::SqliteStore;
use idempotent_core::engine::{Inspection, Recovery};
use idempotent_core::store::{Scan, State};
use idempotent_core::{Disposition, Error, Idempotency, current, idempotent};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

type Failure = Box<dyn StdError + Send + Sync>;

const ORDERS: u32 = 12;

/// The address of this order's parcel crashes the printer's driver, and the process with it.
const BAD_ORDER: u32 = 7;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    cents: u32,
}

/// Where the example keeps its files.
#[derive(Clone)]
struct Place(PathBuf);

impl Place {
    async fn engine(&self) -> Result<Idempotency, Failure> {
        let store = SqliteStore::connect(self.0.join("calls.db")).await?;
        let builder = Idempotency::builder(store).lease(Duration::from_secs(2));
        Ok(builder.resume_backoff(Duration::from_millis(50), Duration::from_secs(1)).build())
    }

    /// An effect outside of the store, by the key that a provider would get.
    fn effect(&self, what: &str) -> Result<(), Error> {
        let Some(step) = current() else { return Ok(()) };
        let file = self.0.join("effects").join(step.derive("provider").to_string());
        if !file.exists() {
            println!("  {what}, by process {}", std::process::id());
        }
        let _ = std::fs::write(file, what);
        Ok(())
    }

    fn effects(&self) -> Result<usize, Failure> {
        Ok(std::fs::read_dir(self.0.join("effects"))?.count())
    }

    fn is_mended(&self) -> bool {
        self.0.join("mended").exists()
    }
}

fn try_again_later(_: &Error) -> Disposition {
    Disposition::Suspend
}

#[idempotent(key = order.id, name = "shop.checkout", resume = order, on_error = try_again_later)]
async fn checkout(order: Order, place: &Place) -> Result<u32, Error> {
    charge(&order, place).await?;
    print_label(&order, place).await?;
    Ok(order.cents)
}

#[idempotent(step)]
async fn charge(order: &Order, place: &Place) -> Result<(), Error> {
    place.effect(&format!("order {:2} is charged", order.id))
}

#[idempotent(step)]
async fn print_label(order: &Order, place: &Place) -> Result<(), Error> {
    if order.id == BAD_ORDER && !place.is_mended() {
        // Nothing is dropped, and nothing is said to the store.
        std::process::abort();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    place.effect(&format!("order {:2} has its label", order.id))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [role, folder] if role == "client" => return client(&Place(folder.into())).await,
        [role, folder] if role == "worker" => return worker(&Place(folder.into())).await,
        _ => {}
    }
    let folder = std::env::temp_dir().join(format!("recovery-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("effects"))?;
    let told = tell(&Place(folder.clone())).await;
    std::fs::remove_dir_all(&folder)?;
    told
}

/// Takes the orders, and dies before it has finished most of them.
async fn client(place: &Place) -> Result<(), Failure> {
    let engine = place.engine().await?;
    let mut calls = tokio::task::JoinSet::new();
    let mut take = |id| {
        let (engine, place) = (engine.clone(), place.clone());
        calls.spawn(idempotent_core::engine::with_engine(engine, async move {
            checkout(Order { id, cents: id * 100 }, &place).await
        }));
    };
    (1..=ORDERS).filter(|id| *id != BAD_ORDER).for_each(&mut take);
    while engine.scan(&Scan::all()).await?.entries.len() < ORDERS as usize - 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // This one ends the process.
    take(BAD_ORDER);
    std::future::pending().await
}

async fn worker(place: &Place) -> Result<(), Failure> {
    let (engine, here) = (place.engine().await?, place.clone());
    let recovery = Recovery::new(&engine).concurrency(1).max_attempts(2);
    let recovery = recovery.poll_every(Duration::from_millis(50));
    let _recovery = recovery
        .operation("shop.checkout", move |order: Order| {
            let place = here.clone();
            async move { checkout(order, &place).await }
        })
        .start()?;
    std::future::pending().await
}

fn start(role: &str, place: &Place) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.arg(role).arg(&place.0).kill_on_drop(true).spawn()?)
}

async fn tell(place: &Place) -> Result<(), Failure> {
    println!("A client takes {ORDERS} orders and dies.");
    start("client", place)?.wait().await?;
    let engine = place.engine().await?;
    println!("\nThree workers finish them. One is killed, and order {BAD_ORDER} kills others.");
    let mut workers =
        vec![start("worker", place)?, start("worker", place)?, start("worker", place)?];
    let mut is_killed = false;
    loop {
        let completed = count(&engine, State::Completed).await?;
        if !is_killed && completed >= 2 {
            workers[0].kill().await?;
            is_killed = true;
        }
        // A supervisor starts anew what dies.
        for worker in &mut workers {
            if worker.try_wait()?.is_some() {
                *worker = start("worker", place)?;
            }
        }
        if completed == ORDERS as usize - 1 && parked(&engine).await?.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let Some(stuck) = parked(&engine).await? else { return Err("it is parked".into()) };
    let last_error = stuck.last_error().unwrap_or_default();
    println!("\nOrder {} is parked: {last_error}", stuck.key().unwrap_or_default());
    for (_, step) in stuck.steps() {
        println!("  step {}: {:?}", step.name(), step.status());
    }
    println!("\nSomebody mends the printer, and says so.");
    std::fs::write(place.0.join("mended"), "")?;
    engine.resume(&stuck).await?;
    while count(&engine, State::Completed).await? < ORDERS as usize {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for worker in &mut workers {
        worker.kill().await?;
    }
    assert_eq!(place.effects()?, 2 * ORDERS as usize, "each effect has one key");
    println!("\n{ORDERS} orders, {} effects, each with one key.", place.effects()?);
    Ok(())
}

async fn count(engine: &Idempotency, state: State) -> Result<usize, Failure> {
    let page = engine.scan(&Scan::all()).await?;
    Ok(page.entries.iter().filter(|found| found.state() == state).count())
}

async fn parked(engine: &Idempotency) -> Result<Option<Inspection>, Failure> {
    match engine.scan(&Scan::indeterminate()).await?.entries.first() {
        Some(found) => Ok(engine.inspect(found.id()).await?),
        None => Ok(None),
    }
}
